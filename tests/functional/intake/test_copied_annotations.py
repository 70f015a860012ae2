"""Pinned input: the requests that copy it exclude the annotations of the uploads."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from moto.core.botocore_stubber import BotocoreStubber

from contract.datasets import DATASETS
from pipeline.aws.clients import AwsClients
from pipeline.intake.pinning import CopySizes, InputPinner
from pipeline.ledger.batch import FileVersion
from tests.functional.conftest import Cloud

MIB = 1024 * 1024


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bytes | None, bool]]:
    """The copy requests so far: the operation, the header, and whether the header is signed."""
    copies: list[tuple[str, bytes | None, bool]] = []
    simulate = BotocoreStubber.__call__

    def record(
        self: BotocoreStubber, event_name: str, request: AWSPreparedRequest, **options: Any
    ) -> Any:
        headers: Any = request.headers
        if "x-amz-copy-source" in headers:
            name = "x-amz-object-annotation-directive"
            is_signed = name in headers["Authorization"].decode()
            copies.append((event_name.rpartition(".")[2], headers.get(name), is_signed))
        return simulate(self, event_name, request, **options)

    monkeypatch.setattr(BotocoreStubber, "__call__", record)
    return copies


def test_annotations_are_excluded_in_each_signed_copy_request(
    cloud: Cloud, requests: list[tuple[str, bytes | None, bool]]
) -> None:
    """Otherwise, S3 requires permissions for annotations. Parts are copied without them."""
    files = []
    for dataset in DATASETS:
        content = bytes(7 * MIB) if dataset is DATASETS[-1] else b"content"
        key = f"raw/x/{dataset.file}"
        files.append(FileVersion(dataset.name, key, cloud.put(key, content), len(content)))
    sizes = CopySizes(threshold=6 * MIB, part=5 * MIB)
    InputPinner(AwsClients().s3, cloud.bucket, "run", sizes).pin(files)
    assert sorted(requests, key=str) == [
        *[("CopyObject", b"EXCLUDE", True)] * 3,
        *[("UploadPartCopy", None, False)] * 2,
    ]
