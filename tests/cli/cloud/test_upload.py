"""`./run upload`: validation, the run ID, pending batches, and the exit code."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.__main__ import app
from cli.cloud.upload import (
    RunNotStartedError,
    describe_pending_batch,
    upload_and_watch,
    upload_files,
)
from cli.runs.batch_names import build_batch_prefix
from contract.datasets import DATASETS
from local.errors import UserError
from local.mailbox import Email
from local.spark.input_folder import check_folder
from pipeline.ledger.batch import BatchFile, new_run
from pipeline.ledger.batch_item import Batch, RejectedUpload
from sample_data import write_sample
from tests.support.console import get_output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    write_sample(folder, rentals=20, error_rate=0.0, seed=1)
    return folder


def test_run_id_is_the_one_that_the_ledger_will_claim(cloud: Any, folder: Path) -> None:
    run_id = upload_files(cloud, cloud.bucket, folder, "raw/2026-11/")
    files = {}
    for dataset in DATASETS:
        key = f"raw/2026-11/{dataset.file}"
        head = cloud.client("s3").head_object(Bucket=cloud.bucket, Key=key)
        assert head["ContentLength"] == (folder / dataset.file).stat().st_size
        files[dataset.name] = BatchFile(
            dataset.name, key, head["VersionId"], head["ContentLength"], "0A", "2026-11-23"
        )
    assert run_id == new_run("raw/2026-11/", files, "2026-11-23T20:00:00Z").run_id
    assert run_id.startswith("2026-11-")


def test_second_upload_of_the_same_files_is_another_run(cloud: Any, folder: Path) -> None:
    run_ids = {upload_files(cloud, cloud.bucket, folder, "raw/2026-11/") for _ in range(2)}
    assert len(run_ids) == 2


@pytest.mark.parametrize("name", ["", "a/b", "/a", " a", "..", "."])
def test_batch_name_is_a_single_path_segment(name: str) -> None:
    with pytest.raises(UserError, match="is not a valid batch name"):
        build_batch_prefix(name)


def test_batch_name_may_contain_other_characters() -> None:
    assert build_batch_prefix("Zürich 1+2 (März)") == "raw/Zürich 1+2 (März)/"


def test_folder_check_reports_every_problem(tmp_path: Path) -> None:
    write_sample(tmp_path, rentals=5, error_rate=0.0, seed=1)
    (tmp_path / "users.csv").unlink()
    (tmp_path / "locations.csv").write_bytes(b"\x1f\x8b....")
    with pytest.raises(UserError) as caught:
        check_folder(tmp_path)
    assert str(caught.value).splitlines() == [
        f"users.csv: file not found in {tmp_path}",
        (
            "locations.csv: the file is gzip-compressed, not CSV;"
            " save it as plain CSV and upload it again"
        ),
    ]


def test_pending_batch_is_described_file_by_file() -> None:
    users = BatchFile("users", "raw/b/users.csv", "v1", 1, "0A", "2026-11-23")
    rejected = RejectedUpload(
        "raw/b/vehicles.csv", "v2", "0B", "raw/b/vehicles.csv: the file is empty"
    )
    batch = Batch("raw/b/", {"users": users}, {"vehicles": rejected}, (), "2026-11-23")
    assert describe_pending_batch(batch).splitlines() == [
        "no run started for batch raw/b/ within 60 seconds",
        "users.csv: valid, waiting for the other files",
        "vehicles.csv: rejected: raw/b/vehicles.csv: the file is empty",
        "locations.csv: not recorded",
        "rental_transactions.csv: not recorded",
    ]


def test_claimed_run_is_mentioned_in_the_description() -> None:
    files = {d.name: BatchFile(d.name, d.file, "v", 1, "0A", "") for d in DATASETS}
    run = new_run("raw/b/", files, "2026-11-23T20:00:00Z")
    description = describe_pending_batch(Batch("raw/b/", {}, {}, (run,), None))
    assert description.endswith("the batch is claimed, and the watchdog will start its run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{empty}"], "file not found in"),
        (["{empty}/nothing"], "is not a folder"),
        (["{folder}", "--batch", "a/b"], "is not a valid batch name"),
        (["{folder}"], "no local cloud is running: start one with ./run local up"),
    ],
)
@pytest.mark.usefixtures("local_folder")
def test_invalid_arguments_are_reported_before_the_upload(
    folder: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    filled = [argument.format(empty=empty, folder=folder) for argument in arguments]
    result = CliRunner().invoke(app, ["upload", *filled])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)


def _raise_not_started(*_: Any) -> Any:
    raise RunNotStartedError("no run started")


EMAIL = Email(Path("1.eml"), "a@example.com", "Rental KPIs", datetime.now(UTC), "")
SUCCEEDED = {"name": "r", "status": "SUCCEEDED"}
FAILED = {
    "executionArn": "arn:aws:states:eu-west-1:000000000000:execution:pipeline:2026-11-abc",
    "name": "2026-11-abc",
    "status": "FAILED",
    "error": None,
    "cause": None,
}


@pytest.mark.parametrize(
    ("watch_run", "has_email", "exit_code", "message"),
    [
        (lambda *_: SUCCEEDED, True, 0, ""),
        (lambda *_: SUCCEEDED, False, 1, ""),
        (lambda *_: FAILED, True, 1, "Run 2026-11-abc ended with status FAILED"),
        (_raise_not_started, True, 1, "no run started"),
    ],
    ids=["succeeded", "succeeded without email", "failed", "not started"],
)
def test_exit_code_is_zero_only_after_success_and_an_email(
    cloud: Any,
    console: Console,
    monkeypatch: pytest.MonkeyPatch,
    watch_run: Any,
    has_email: bool,
    exit_code: int,
    message: str,
) -> None:
    emails = [EMAIL] if has_email else []
    monkeypatch.setattr(
        "cli.cloud.upload.get_stack_outputs", lambda _: {"BucketName": cloud.bucket}
    )
    monkeypatch.setattr("cli.cloud.upload.upload_files", lambda *_: "r")
    monkeypatch.setattr("cli.cloud.upload.watch_run", watch_run)
    monkeypatch.setattr("cli.cloud.upload.show_results", lambda *_: None)
    searched_texts: list[str] = []

    def show_new_emails(_: Any, mentioned_text: str, *__: Any) -> list[Email]:
        searched_texts.append(mentioned_text)
        return emails

    monkeypatch.setattr("cli.cloud.upload.show_new_emails", show_new_emails)
    assert upload_and_watch(cloud, cloud.folder, "b", console) == exit_code
    assert message in get_output(console)
    assert "\nOutput\n" in get_output(console)
    # If the run did not start, only emails about its batch can explain why.
    assert searched_texts == ["raw/b/" if watch_run is _raise_not_started else "r"]
