"""Fixtures for the commands that use a local cloud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from rich.console import Console

from cli.target import local_clouds
from tests.support.console import create_console

REGION = "eu-west-1"


@dataclass(frozen=True)
class MotoCloud:
    """The parts of a local cloud that the commands use, with moto as AWS."""

    folder: Path
    name: str = "cloud"
    bucket: str = "rental-data"

    @property
    def mailbox_folder(self) -> Path:
        return self.folder / "mailbox"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cloud with a versioned bucket and an empty mailbox."""
    monkeypatch.setenv("LOCAL_STATE", str(tmp_path))
    monkeypatch.delenv("LOCAL_SMTP", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        cloud = MotoCloud(tmp_path)
        s3 = cloud.client("s3")
        s3.create_bucket(
            Bucket=cloud.bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        s3.put_bucket_versioning(Bucket=cloud.bucket, VersioningConfiguration={"Status": "Enabled"})
        yield cloud


@pytest.fixture
def console() -> Console:
    return create_console(width=100)


@pytest.fixture
def local_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all local clouds, where none is running."""
    folder = tmp_path / "local"
    monkeypatch.setattr(local_clouds, "LOCAL_FOLDER", folder)
    monkeypatch.setattr(local_clouds, "CLOUD_FOLDER", folder / "cloud")
    return folder
