"""`./run upload`: the check before it, the run ID, the wait for the run, and the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.operations.upload import upload_files
from cli.operations.watch import describe_batch
from cli.runs.batch_names import build_batch_prefix
from contract.datasets import DATASETS
from local.errors import UserError
from local.spark.input_folder import check_folder
from pipeline.ledger.batch import BatchFile, new_run
from pipeline.ledger.batch_item import Batch, RejectedUpload
from sample_data import write_sample
from tests.support.operator_stack import BUCKET, CommandLine, OperatorStack


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    write_sample(folder, rentals=20, error_rate=0.0, seed=1)
    return folder


def test_run_id_is_the_one_that_the_ledger_will_claim(stack: OperatorStack, folder: Path) -> None:
    sent: list[int] = []
    run_id = upload_files(stack.target, folder, "raw/2026-11/", sent.append)
    files = {}
    for dataset in DATASETS:
        key = f"raw/2026-11/{dataset.file}"
        head = stack.client("s3").head_object(Bucket=BUCKET, Key=key)
        assert head["ContentLength"] == (folder / dataset.file).stat().st_size
        files[dataset.name] = BatchFile(
            dataset.name, key, head["VersionId"], head["ContentLength"], "0A", "2026-11-23"
        )
    assert run_id == new_run("raw/2026-11/", files, "2026-11-23T20:00:00Z").run_id
    assert run_id.startswith("2026-11-")
    assert sum(sent) == sum(file.size for file in files.values())


def test_second_upload_of_the_same_files_is_another_run(stack: OperatorStack, folder: Path) -> None:
    run_ids = {upload_files(stack.target, folder, "raw/2026-11/") for _ in range(2)}
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
    rejected = RejectedUpload("raw/b/vehicles.csv", "v2", "0B", "the file is empty")
    batch = Batch("raw/b/", {"users": users}, {"vehicles": rejected}, (), "2026-11-23")
    assert describe_batch(batch).splitlines() == [
        "Waiting for batch raw/b/",
        "  users.csv: valid",
        "  vehicles.csv: rejected: the file is empty",
        "  locations.csv: missing",
        "  rental_transactions.csv: missing",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{empty}"], "would be rejected: nothing was uploaded"),
        (["{empty}/nothing"], "is not a folder"),
        (["{folder}", "--batch", "a/b"], "is not a valid batch name"),
    ],
)
@pytest.mark.usefixtures("stack")
def test_invalid_arguments_are_reported_before_the_upload(
    run: CommandLine, folder: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    filled = [argument.format(empty=empty, folder=folder) for argument in arguments]
    result = run.on_aws("upload", *filled, "--yes")
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    result = run("upload", str(folder))
    assert result.exit_code == 2
    assert "no local cloud is running: start one with ./run local up" in result.stderr


@pytest.mark.parametrize("answer", [None, "n"])
def test_nothing_is_uploaded_without_a_confirmation(
    stack: OperatorStack, run: CommandLine, folder: Path, answer: str | None
) -> None:
    run.answer(answer)
    assert run.on_aws("upload", str(folder)).exit_code == 2
    assert stack.list_keys("raw/") == []


@pytest.mark.parametrize(("status", "exit_code"), [("PUBLISHED", 0), ("FAILED", 3)])
def test_upload_waits_for_its_run(
    stack: OperatorStack,
    run: CommandLine,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    exit_code: int,
) -> None:
    uploaded: list[str] = []

    def start_run(_: float) -> None:
        files = {}
        for dataset in DATASETS:
            key = f"raw/b/{dataset.file}"
            head = stack.client("s3").head_object(Bucket=BUCKET, Key=key)
            version, size = head["VersionId"], head["ContentLength"]
            files[dataset.name] = BatchFile(dataset.name, key, version, size, "", "")
        run_id = new_run("raw/b/", files, "").run_id
        stack.add_run("b", run_id=run_id, status=status)
        uploaded.append(run_id)

    shown: list[str] = []

    def show_results(_: Any, run_id: str, __: Any) -> None:
        shown.append(run_id)

    monkeypatch.setattr("tenacity.nap.time.sleep", start_run)
    monkeypatch.setattr("cli.operations.upload.show_results", show_results)
    result = run.on_aws("upload", str(folder), "--batch", "b", "--yes")
    assert result.exit_code == exit_code, result.stderr
    assert len(uploaded) == 1
    assert "Uploaded four files (" in result.stdout
    assert shown == (uploaded if exit_code == 0 else [])
    if exit_code:
        assert "CheckRun: RunRejectedError: too many rejections" in result.stdout
        assert f"run {uploaded[0]} ended without results: ./run show" in result.stderr
