"""Selecting, showing, and stopping local clouds, and access to them."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.__main__ import app
from cli.cloud.local_cloud import show_progress, show_status
from cli.target import local_clouds
from local.cloud import Cloud, FolderInUseError
from local.errors import UserError
from tests.support.console import get_output

ACCESS_KEY = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s3cret"}


def create_cloud(folder: Path, stops_with_parent: bool = False) -> Cloud:
    return Cloud(folder, "https://x", 1, "eu-west-1", folder, folder, stops_with_parent, ACCESS_KEY)


def test_access_instructions_are_valid_shell_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "it's a bundle.pem"
    cloud = replace(create_cloud(tmp_path), endpoint="https://127.0.0.1:1", ca_bundle=bundle)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://elsewhere")
    names = ("CA_BUNDLE", "ENDPOINT_URL", "SECRET_ACCESS_KEY", "PROFILE", "ENDPOINT_URL_S3")
    values = " ".join(f"$AWS_{name}" for name in names)
    script = f'{local_clouds.format_access_instructions(cloud)}\necho "{values}"'
    shell = subprocess.run(
        ["sh", "-c", script],
        env={"AWS_PROFILE": "mine", "AWS_ENDPOINT_URL_S3": "x", "AWS_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout == f"{bundle} https://127.0.0.1:1 s3cret  \n"
    assert shlex.quote(str(bundle)) in local_clouds.format_access_instructions(cloud)


@pytest.mark.usefixtures("local_folder")
def test_status_and_down_without_a_running_cloud() -> None:
    status = CliRunner().invoke(app, ["local", "status"])
    assert (status.exit_code, status.output) == (
        0,
        "No local cloud is running. To start one: ./run local up\n",
    )
    down = CliRunner().invoke(app, ["local", "down"])
    assert (down.exit_code, down.output) == (0, "No local cloud is running.\n")


@pytest.mark.usefixtures("local_folder")
def test_demo_checks_its_input_before_it_starts_a_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.operations.demo.start_demo_cloud", pytest.fail)
    result = CliRunner().invoke(app, ["demo", str(tmp_path / "nothing")])
    assert isinstance(result.exception, UserError)
    assert "is not a folder" in str(result.exception)


def test_demo_cloud_starts_in_an_unused_folder(
    local_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = {local_folder / "demo", local_folder / "demo-2"}

    def start(folder: Path, *, stop_with_parent: bool) -> tuple[Path, bool]:
        if folder in used:
            raise FolderInUseError
        return folder, stop_with_parent

    monkeypatch.setattr(local_clouds, "start", start)
    started: Any = local_clouds.start_demo_cloud(stop_with_parent=True)
    assert started == (local_folder / "demo-3", True)


def test_down_does_not_stop_a_running_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = create_cloud(tmp_path / "demo", stops_with_parent=True)
    kept = create_cloud(tmp_path / "demo-2")
    stopped: list[Path] = []
    monkeypatch.setattr(local_clouds, "list_running_clouds", lambda: [demo, kept])
    monkeypatch.setattr("local.cloud.stop", stopped.append)
    down = CliRunner().invoke(app, ["local", "down"])
    assert down.exit_code == 0
    assert "local cloud demo belongs to a running demo" in down.output
    assert stopped == [kept.folder]
    named = CliRunner().invoke(app, ["local", "down", "--cloud", "demo"])
    assert isinstance(named.exception, UserError)
    assert stopped == [kept.folder]


def test_cloud_is_selected_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = create_cloud(tmp_path / "demo", stops_with_parent=True)
    second, third = create_cloud(tmp_path / "demo-2"), create_cloud(tmp_path / "demo-3")
    monkeypatch.setattr(local_clouds, "list_running_clouds", lambda: [demo, second, third])
    assert local_clouds.get_running_cloud("demo-3") == third
    assert local_clouds.get_running_cloud("demo") == demo
    with pytest.raises(
        UserError, match="local cloud 'x' is not running: specify one of demo, demo-2"
    ):
        local_clouds.get_running_cloud("x")


def test_only_running_cloud_needs_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo, kept = create_cloud(tmp_path / "demo", stops_with_parent=True), create_cloud(tmp_path)
    monkeypatch.setattr(local_clouds, "list_running_clouds", lambda: [demo])
    assert local_clouds.get_running_cloud() == demo
    monkeypatch.setattr(local_clouds, "list_running_clouds", lambda: [kept, demo])
    with pytest.raises(
        UserError, match=f"2 local clouds are running: add --cloud {kept.name} or --cloud demo"
    ):
        local_clouds.get_running_cloud()


def test_status_shows_the_newest_executions_first(
    tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = datetime(2026, 11, 24, tzinfo=UTC)
    executions = [
        {"name": f"run-{n:02}", "status": "SUCCEEDED", "startDate": started + timedelta(hours=n)}
        for n in (3, 11, 0, 7, 1, 10, 2, 9, 4, 8, 5, 6)
    ]

    class FakeStepFunctions:
        def get_paginator(self, operation: str) -> Any:
            assert operation == "list_executions"
            return self

        def paginate(self, **_: Any) -> Any:
            return [{"executions": executions[:5]}, {"executions": executions[5:]}]

    monkeypatch.setattr(Cloud, "client", lambda *_: FakeStepFunctions())
    monkeypatch.setattr(
        "cli.cloud.local_cloud.get_stack_outputs", lambda _: {"StateMachineArn": "arn"}
    )
    show_status(create_cloud(tmp_path), console)
    names = [line.split()[-1] for line in get_output(console).splitlines()[1:-1]]
    assert names == [f"run-{n:02}" for n in range(11, 1, -1)]
    assert get_output(console).endswith("  and 2 older\n")


def test_progress_shows_the_duration_only_after_success(console: Console) -> None:
    with show_progress("Building", console):
        pass
    assert get_output(console) == "Building (0.0 s)\n"
    with pytest.raises(ValueError, match="no"), show_progress("Deploying", console):
        raise ValueError("no")
    assert "Deploying" not in get_output(console)
