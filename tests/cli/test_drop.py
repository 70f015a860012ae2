"""Dropping files: what is checked first, which run they become, what is said when none starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from cli.__main__ import app
from cli.cloud.upload import batch_prefix, upload_files, what_is_waiting
from contract.datasets import DATASETS
from local.errors import UserError
from local.spark.input_folder import check_folder
from pipeline.ledger.batch import BatchFile, new_run
from pipeline.ledger.batch_ledger import Batch, RejectedUpload
from sample_data import write_sample

BUCKET = "rental-data"


@dataclass(frozen=True)
class MotoCloud:
    """As much of a cloud as takes files."""

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name="eu-west-1")  # type: ignore[call-overload]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        s3 = boto3.client("s3", region_name="eu-west-1")
        s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield MotoCloud()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    write_sample(folder, rentals=20, error_rate=0.0, seed=1)
    return folder


def test_the_run_is_the_one_that_the_ledger_will_claim(cloud: Any, folder: Path) -> None:
    run_id = upload_files(cloud, BUCKET, folder, "raw/2026-11/")
    files = {}
    for dataset in DATASETS:
        key = f"raw/2026-11/{dataset.file}"
        head = cloud.client("s3").head_object(Bucket=BUCKET, Key=key)
        assert head["ContentLength"] == (folder / dataset.file).stat().st_size
        files[dataset.name] = BatchFile(
            dataset.name, key, head["VersionId"], head["ContentLength"], "0A", "2026-11-23"
        )
    assert run_id == new_run("raw/2026-11/", files, "2026-11-23T20:00:00Z").run_id
    assert run_id.startswith("2026-11-")


def test_dropping_again_is_another_run(cloud: Any, folder: Path) -> None:
    runs = {upload_files(cloud, BUCKET, folder, "raw/2026-11/") for _ in range(2)}
    assert len(runs) == 2


@pytest.mark.parametrize("name", ["", "a/b", "/a", " a", "..", "."])
def test_a_batch_is_one_folder(name: str) -> None:
    with pytest.raises(UserError, match="no name of a batch"):
        batch_prefix(name)


def test_a_batch_may_be_called_anything_else() -> None:
    assert batch_prefix("Zürich 1+2 (März)") == "raw/Zürich 1+2 (März)/"


def test_every_problem_of_the_files_is_told(tmp_path: Path) -> None:
    write_sample(tmp_path, rentals=5, error_rate=0.0, seed=1)
    (tmp_path / "users.csv").unlink()
    (tmp_path / "locations.csv").write_bytes(b"\x1f\x8b....")
    with pytest.raises(UserError) as told:
        check_folder(tmp_path)
    assert str(told.value).splitlines() == [
        f"users.csv: no such file in {tmp_path}",
        "locations.csv: not CSV but gzip-compressed; save it as plain CSV and drop it again",
    ]


def test_what_waits_is_told_file_by_file() -> None:
    users = BatchFile("users", "raw/b/users.csv", "v1", 1, "0A", "2026-11-23")
    refused = RejectedUpload(
        "raw/b/vehicles.csv", "v2", "0B", "raw/b/vehicles.csv: the file is empty"
    )
    batch = Batch("raw/b/", {"users": users}, {"vehicles": refused}, (), "2026-11-23")
    assert what_is_waiting(batch).splitlines() == [
        "no run has started from raw/b/ in 60 seconds",
        "users.csv: there, waiting for the others",
        "vehicles.csv: refused: raw/b/vehicles.csv: the file is empty",
        "locations.csv: not noted",
        "rental_transactions.csv: not noted",
    ]


def test_a_claimed_run_is_said_to_be_one() -> None:
    files = {d.name: BatchFile(d.name, d.file, "v", 1, "0A", "") for d in DATASETS}
    run = new_run("raw/b/", files, "2026-11-23T20:00:00Z")
    words = what_is_waiting(Batch("raw/b/", {}, {}, (run,), None))
    assert words.endswith("claimed, and not yet started: the watchdog will start it")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["{empty}"], "no such file in"),
        (["{empty}/nothing"], "is no folder"),
        (["{folder}", "--batch", "a/b"], "no name of a batch"),
        (["{folder}"], "no local cloud is running: ./run local up starts one"),
    ],
)
def test_a_mistake_is_told_before_anything_is_sent(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.setattr("cli.cloud.target.LOCAL_FOLDER", tmp_path)
    monkeypatch.setattr("cli.cloud.target.CLOUD", tmp_path / "cloud")
    empty = tmp_path / "empty"
    empty.mkdir()
    filled = [word.format(empty=empty, folder=folder) for word in words]
    result = CliRunner().invoke(app, ["drop", *filled])
    assert isinstance(result.exception, UserError)
    assert told in str(result.exception)
