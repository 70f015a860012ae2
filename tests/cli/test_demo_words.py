"""What the demo and its relatives say: results, failures, mails, and how the cloud is reached."""

from __future__ import annotations

import gzip
import io
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from rich.console import Console
from typer.testing import CliRunner

from cli.__main__ import app
from cli.cloud import target
from cli.cloud.local_cloud import show_status, step
from cli.cloud.mail import show_mails
from cli.cloud.results import show_failure, show_mails_about, show_places, show_results
from cli.cloud.upload import NotStartedError, upload_and_watch
from cli.summary import QUESTIONS
from contract.reports import DatasetCounts, TransformationReport
from local.cloud import Cloud, FolderTakenError
from local.errors import UserError
from local.extensions.sns import mailbox
from local.mail import Mail, read_mails
from pipeline.aws.athena import Athena, Query, QueryResult, ResultColumn

BUCKET = "rental-data"
BODY = """Step kpis (s-1): FAILED, exit code 1
  The logs: s3://rental-data/logs/emr/j-1/steps/s-1/
"""


@dataclass(frozen=True)
class MotoCloud:
    """What is looked at when a run is over."""

    folder: Path

    name = "cloud"

    @property
    def mailbox(self) -> Path:
        return self.folder / "mailbox"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name="eu-west-1")  # type: ignore[call-overload]


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("LOCAL_STATE", str(tmp_path))
    monkeypatch.delenv("LOCAL_SMTP", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        boto3.client("s3", region_name="eu-west-1").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield MotoCloud(tmp_path)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def said(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def ended(status: str, error: str | None = None, cause: str | None = None) -> dict[str, Any]:
    """What DescribeExecution says of an execution that is over."""
    arn = "arn:aws:states:eu-west-1:000000000000:execution:pipeline:2026-11-abc"
    words = {"name": "2026-11-abc", "status": status, "error": error, "cause": cause}
    return {"executionArn": arn, **words}


def failed_mail() -> Mail:
    return Mail(Path("1.eml"), "a@example.com", "Rental KPIs failed", datetime.now(UTC), BODY)


def test_a_failure_shows_the_end_of_the_log_that_the_mail_names(
    cloud: Any, console: Console
) -> None:
    log = "\n".join(f"line {number}" for number in range(100))
    key = "logs/emr/j-1/steps/s-1/stderr.gz"
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(log.encode()))
    show_failure(cloud, ended("FAILED", "X", "RunJobs: no"), [failed_mail()], console)
    lines = said(console).splitlines()
    assert lines[0] == "Run 2026-11-abc ended FAILED at RunJobs: X: no"
    assert f"The end of s3://{BUCKET}/{key}" in lines
    assert lines[-1] == "  line 99"
    assert "  line 84" not in lines


def test_a_log_that_is_not_there_is_said_to_be_missing(cloud: Any, console: Console) -> None:
    show_failure(cloud, ended("ABORTED"), [failed_mail()], console)
    assert said(console).startswith("Run 2026-11-abc ended ABORTED: Somebody stopped the execution")
    assert "  it cannot be read: " in said(console)
    assert "NoSuchKey" in said(console)


def test_a_function_s_error_is_shown_in_its_own_words(cloud: Any, console: Console) -> None:
    cause = 'CheckRun: {"errorMessage": "too many rows", "errorType": "RunRejectedError"}'
    show_failure(cloud, ended("FAILED", "RunRejectedError", cause), [], console)
    expected = "Run 2026-11-abc ended FAILED at CheckRun: RunRejectedError: too many rows\n"
    assert said(console) == expected


def test_results_are_athena_s_numbers_and_what_became_of_the_rows(
    cloud: Any, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = TransformationReport(
        "r", {"rentals": DatasetCounts(12, 10, 2, {"missing_user_id": 2})}, {}, "1234567.80"
    )
    key = "runs/r/transformation.json"
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=report.to_json().encode())
    asked: list[str] = []

    def ask(_: Athena, queries: Sequence[Query]) -> list[QueryResult]:
        asked.extend(query.name for query in queries)
        columns = (
            ResultColumn("day", "varchar"),
            ResultColumn("revenue", "decimal"),
            ResultColumn("n", "bigint"),
        )
        return [
            QueryResult(columns, (("2026-11-01", "1234567.80", "1000"), ("0042", None, "7")))
        ] * len(queries)

    monkeypatch.setattr(Athena, "fetch", ask)
    outputs = {"Database": "rental_kpi", "Workgroup": "rental-kpi", "Bucket": BUCKET}
    show_results(cloud, outputs, "r", console)
    assert asked == list(QUESTIONS)
    for text in ("Totals", "1,234,567.80", "1,000", "2026-11-01", "0042", " - "):
        assert text in said(console)
    assert "rentals: missing_user_id" in said(console)


def test_places_are_counted(cloud: Any, console: Console) -> None:
    for key in ("raw/b/users.csv", "raw/b/vehicles.csv", "runs/r/kpis.json"):
        cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"x")
    show_places(cloud, BUCKET, console)
    assert f"  s3://{BUCKET}/raw/  2 objects\n" in said(console)
    assert f"  s3://{BUCKET}/runs/  1 object\n" in said(console)
    assert f"  mails: {cloud.mailbox}\n" in said(console)


def test_only_new_mails_of_the_run_are_shown(cloud: Any, console: Console) -> None:
    mailbox.deliver("a@example.com", "old", "run-1 before")
    mailbox.deliver("a@example.com", "other", "run-2")
    mailbox.deliver("a@example.com", "new", "run-1 after [bold]all[/bold]")
    mails = show_mails_about(cloud, "run-1", 1, console)
    assert [mail.subject for mail in mails] == ["new"]
    assert "before" not in said(console)
    assert "Subject: new\n\nrun-1 after [bold]all[/bold]\n" in said(console)


def test_the_mail_of_another_batch_is_not_taken_for_ones_own(
    cloud: Any, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.cloud.results._MAIL_LIMIT", 0.5)
    mailbox.deliver("a@example.com", "other", "run-2")
    assert show_mails_about(cloud, "run-1", 0, console) == []
    assert "no mail went out" in said(console)
    assert "run-2" not in said(console)


def test_a_mail_on_a_terminal_has_a_frame_with_its_file_s_name(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=60, force_terminal=True, color_system=None)
    mail = Mail(tmp_path / "0001-news.eml", "a@b.org", "news", datetime.now(UTC), "text\n")
    show_mails([mail], console)
    assert "0001-news.eml" in said(console)
    assert "Subject: news" in said(console)


def test_the_lines_to_reach_a_cloud_are_a_shell_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "it's a bundle.pem"
    cloud = Cloud(tmp_path, "https://127.0.0.1:1", 1, "eu-west-1", bundle, tmp_path / "m", False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://elsewhere")
    names = ("CA_BUNDLE", "ENDPOINT_URL", "REGION", "PROFILE", "ENDPOINT_URL_S3")
    told = " ".join(f"$AWS_{name}" for name in names)
    script = f'{target.access_instructions(cloud)}\necho "{told}"'
    shell = subprocess.run(
        ["sh", "-c", script],
        env={"AWS_PROFILE": "mine", "AWS_ENDPOINT_URL_S3": "x", "AWS_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout == f"{bundle} https://127.0.0.1:1 eu-west-1  \n"
    assert shlex.quote(str(bundle)) in target.access_instructions(cloud)


@pytest.fixture
def local_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "local"
    monkeypatch.setattr(target, "LOCAL", folder)
    monkeypatch.setattr(target, "CLOUD", folder / "cloud")
    return folder


def test_mail_shows_the_newest_of_the_cloud_that_got_one_last(
    local_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, subjects in (("cloud", ["a"]), ("demo", ["b", "c", "d"])):
        monkeypatch.setenv("LOCAL_STATE", str(local_folder / name))
        for subject in subjects:
            mailbox.deliver("a@example.com", subject, f"text {subject}")
    assert len(read_mails(local_folder / "demo" / "mailbox")) == 3

    newest = CliRunner().invoke(app, ["mail"]).output
    assert "text d" in newest
    assert "text c" not in newest
    assert "2 earlier ones with --all" in newest
    two = CliRunner().invoke(app, ["mail", "--last", "2"]).output
    assert two.index("text c") < two.index("text d")
    every = CliRunner().invoke(app, ["mail", "--all"]).output
    assert [every.find(f"text {name}") >= 0 for name in "abcd"] == [False, True, True, True]
    other = CliRunner().invoke(app, ["mail", "--cloud", "cloud"]).output
    assert "text a" in other
    unknown = CliRunner().invoke(app, ["mail", "--cloud", "x"])
    assert str(unknown.exception) == "no local cloud 'x' has a mailbox here; cloud, demo have"


@pytest.mark.usefixtures("local_folder")
def test_without_any_mail_it_says_where_some_come_from() -> None:
    result = CliRunner().invoke(app, ["mail"])
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == "no mail: ./run demo or ./run local up makes some"


@pytest.mark.usefixtures("local_folder")
def test_without_a_cloud_status_and_down_say_so() -> None:
    status = CliRunner().invoke(app, ["local", "status"])
    assert (status.exit_code, status.output) == (
        0,
        "no local cloud is running: ./run local up starts one\n",
    )
    down = CliRunner().invoke(app, ["local", "down"])
    assert (down.exit_code, down.output) == (0, "no local cloud was running\n")


@pytest.mark.usefixtures("local_folder")
def test_the_demo_checks_its_folder_before_it_starts_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.cloud.demo.start_for_demo", pytest.fail)
    result = CliRunner().invoke(app, ["demo", str(tmp_path / "nothing")])
    assert isinstance(result.exception, UserError)
    assert "is no folder" in str(result.exception)


def test_a_demo_s_folder_is_not_one_where_a_cloud_runs(
    local_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = {local_folder / "demo", local_folder / "demo-2"}

    def start(folder: Path, *, attached: bool) -> tuple[Path, bool]:
        if folder in taken:
            raise FolderTakenError
        return folder, attached

    monkeypatch.setattr(target, "start", start)
    started: Any = target.start_for_demo(attached=True)
    assert started == (local_folder / "demo-3", True)


def test_down_leaves_a_demo_that_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo, kept = (
        Cloud(tmp_path / name, "https://x", 1, "eu-west-1", tmp_path, tmp_path, attached)
        for name, attached in (("demo", True), ("demo-2", False))
    )
    ended: list[Path] = []
    monkeypatch.setattr(target, "running_clouds", lambda: [demo, kept])
    monkeypatch.setattr("local.cloud.stop", ended.append)
    down = CliRunner().invoke(app, ["local", "down"])
    assert down.exit_code == 0
    assert "demo belongs to a demo that is under way" in down.output
    assert ended == [kept.folder]
    named = CliRunner().invoke(app, ["local", "down", "--cloud", "demo"])
    assert isinstance(named.exception, UserError)
    assert ended == [kept.folder]


def test_one_of_several_clouds_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way, one, other = (
        Cloud(tmp_path / name, "https://x", 1, "eu-west-1", tmp_path, tmp_path, attached)
        for name, attached in (("demo", True), ("demo-2", False), ("demo-3", False))
    )
    monkeypatch.setattr(target, "running_clouds", lambda: [under_way, one, other])
    assert target.running_cloud() == one
    assert target.running_cloud("demo-3") == other
    assert target.running_cloud("demo") == under_way
    with pytest.raises(UserError, match="no local cloud 'x' is running; there are demo, demo-2"):
        target.running_cloud("x")
    monkeypatch.setattr(target, "running_clouds", lambda: [under_way])
    with pytest.raises(UserError, match="no local cloud is running, but for demo of a demo"):
        target.running_cloud()


def test_a_status_has_the_newest_executions_first(
    tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = datetime(2026, 11, 24, tzinfo=UTC)
    executions = [
        {"name": f"run-{n:02}", "status": "SUCCEEDED", "startDate": started + timedelta(hours=n)}
        for n in (3, 11, 0, 7, 1, 10, 2, 9, 4, 8, 5, 6)
    ]

    class Executions:
        def get_paginator(self, operation: str) -> Any:
            assert operation == "list_executions"
            return self

        def paginate(self, **_: Any) -> Any:
            return [{"executions": executions[:5]}, {"executions": executions[5:]}]

    cloud = Cloud(tmp_path, "https://x", 1, "eu-west-1", tmp_path, tmp_path, False)
    monkeypatch.setattr(Cloud, "client", lambda *_: Executions())
    monkeypatch.setattr("cli.cloud.local_cloud.stack_outputs", lambda _: {"StateMachine": "arn"})
    show_status(cloud, console)
    shown = [line.split()[-1] for line in said(console).splitlines()[1:-1]]
    assert shown == [f"run-{n:02}" for n in range(11, 1, -1)]
    assert said(console).endswith("  and 2 earlier\n")


def test_a_step_is_said_with_its_time_and_not_when_it_failed(console: Console) -> None:
    with step("building", console):
        pass
    assert said(console) == "building  0.0 s\n"
    with pytest.raises(ValueError, match="no"), step("deploying", console):
        raise ValueError("no")
    assert "deploying" not in said(console)


def _not_started(*_: Any) -> Any:
    raise NotStartedError("no run has started")


@pytest.mark.parametrize(
    ("watched", "mailed", "code", "words"),
    [
        (lambda *_: {"name": "r", "status": "SUCCEEDED"}, True, 0, ""),
        (lambda *_: {"name": "r", "status": "SUCCEEDED"}, False, 1, ""),
        (lambda *_: ended("FAILED"), True, 1, "Run 2026-11-abc ended FAILED"),
        (_not_started, True, 1, "no run has started"),
    ],
    ids=["good", "good and not mailed", "failed", "not started"],
)
def test_the_exit_code_says_whether_all_went_well(
    cloud: Any,
    console: Console,
    monkeypatch: pytest.MonkeyPatch,
    watched: Any,
    mailed: bool,
    code: int,
    words: str,
) -> None:
    mails = [replace(failed_mail(), body="")] if mailed else []
    monkeypatch.setattr("cli.cloud.upload.use_cloud_credentials", lambda _: None)
    monkeypatch.setattr("cli.cloud.upload.stack_outputs", lambda _: {"Bucket": BUCKET})
    monkeypatch.setattr("cli.cloud.upload.upload_files", lambda *_: "r")
    monkeypatch.setattr("cli.cloud.upload.watch_run", watched)
    monkeypatch.setattr("cli.cloud.upload.show_results", lambda *_: None)
    asked: list[str] = []

    def show(_: Any, about: str, *__: Any) -> list[Mail]:
        asked.append(about)
        return mails

    monkeypatch.setattr("cli.cloud.upload.show_mails_about", show)
    assert upload_and_watch(cloud, cloud.folder, "b", console) == code
    assert words in said(console)
    assert "Where everything lies" in said(console)
    # Of a run that did not start, only the mails about its batch can tell.
    assert asked == ["raw/b/" if watched is _not_started else "r"]
