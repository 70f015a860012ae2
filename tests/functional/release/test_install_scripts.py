"""The custom resource: the objects that it installs and removes, and its responses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from handlers.install_scripts import PHYSICAL_ID, handler
from pipeline.release import spark_scripts
from pipeline.release.custom_resource import CREATION_FAILED_ID
from pipeline.release.spark_package import SOURCE_FOLDER, write_spark_package
from tests.functional.conftest import Cloud
from tests.support.aws_calls import Crash, crash_after, watch_calls
from tests.support.cloudformation import FakeCloudFormation
from tests.support.events import load_event

CREATE, UPDATE, DELETE = (
    f"install_scripts_{request}" for request in ("create", "update", "delete")
)
FILES = {"jobs.zip", "kpis.py", "manifest.json", "transformation_job.py"}
OTHER_KEY = "emr-scripts/by-hand/jobs.zip"


@pytest.fixture
def cloudformation(cloud: Cloud) -> Iterator[FakeCloudFormation]:  # noqa: ARG001
    with FakeCloudFormation(handler) as fake:
        yield fake


@pytest.fixture
def second_release(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Replace the scripts of the source with another release, until the patch is undone."""
    files = spark_scripts.read_release_files()
    with monkeypatch.context() as patch:
        patch.setattr(spark_scripts, "read_release_files", lambda: {**files, "kpis.py": b"# newer"})
        yield patch


def _read_objects(cloud: Cloud) -> dict[str, bytes]:
    bucket = boto3.resource("s3").Bucket(cloud.bucket)
    return {
        entry.key: entry.get()["Body"].read()
        for entry in bucket.objects.filter(Prefix="emr-scripts/")
    }


def _list_versions(cloud: Cloud) -> list[str]:
    """Return the key of each version and delete marker."""
    versions = boto3.resource("s3").Bucket(cloud.bucket).object_versions
    return sorted(version.object_key for version in versions.filter(Prefix="emr-scripts/"))


def test_create_installs_release(
    cloud: Cloud, cloudformation: FakeCloudFormation, tmp_path: Path
) -> None:
    response = cloudformation.send_request(CREATE)
    assert response["Status"] == "SUCCESS"
    assert response["PhysicalResourceId"] == PHYSICAL_ID
    release = response["Data"]["Release"]
    assert response["Data"] == {"Prefix": f"emr-scripts/{release}", "Release": release}
    assert cloudformation.content_types == [""]  # the URL is signed for it
    objects = _read_objects(cloud)
    assert set(objects) == {f"emr-scripts/{release}/{name}" for name in FILES}
    for name in ("kpis.py", "transformation_job.py"):
        assert (
            objects[f"emr-scripts/{release}/{name}"]
            == (SOURCE_FOLDER / "spark" / name).read_bytes()
        )
    write_spark_package(tmp_path / "package.zip")
    zipped = objects[f"emr-scripts/{release}/jobs.zip"]
    assert zipped == (tmp_path / "package.zip").read_bytes()
    assert json.loads(objects[f"emr-scripts/{release}/manifest.json"]) == {
        "stack": load_event(CREATE)["StackId"],
        "resource": "SparkScripts",
        "release": release,
        "files": ["jobs.zip", "kpis.py", "transformation_job.py"],
    }
    installed = tmp_path / "installed.zip"
    installed.write_bytes(zipped)
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); import contract.layout, contract"
    code += "; print(contract.__file__)"
    command = [sys.executable, "-I", "-c", code]
    output = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == f"{installed}/contract/__init__.py"


def test_release_depends_only_on_content() -> None:
    files = spark_scripts.read_release_files()
    release = spark_scripts.compute_release(files)
    assert len(release) == 16
    assert int(release, 16)
    assert spark_scripts.compute_release(dict(reversed(files.items()))) == release
    others = {spark_scripts.compute_release({**files, name: b"other"}) for name in files}
    assert len(others | {release}) == 4


def test_repeated_installation_changes_nothing(
    cloud: Cloud, cloudformation: FakeCloudFormation
) -> None:
    first, objects = cloudformation.send_request(CREATE), _read_objects(cloud)
    for name in (CREATE, UPDATE, UPDATE):
        repeated = cloudformation.send_request(name)
        assert (repeated["Data"], repeated["PhysicalResourceId"]) == (first["Data"], PHYSICAL_ID)
    assert _read_objects(cloud) == objects


def test_update_adds_release_and_keeps_earlier_one(
    cloud: Cloud, cloudformation: FakeCloudFormation, second_release: pytest.MonkeyPatch
) -> None:
    newer = cloudformation.send_request(UPDATE)
    second_release.undo()
    older = cloudformation.send_request(UPDATE)  # such as a rollback
    assert newer["PhysicalResourceId"] == older["PhysicalResourceId"] == PHYSICAL_ID
    prefixes = {newer["Data"]["Prefix"], older["Data"]["Prefix"]}
    assert len(prefixes) == 2
    assert set(_read_objects(cloud)) == {
        f"{prefix}/{name}" for prefix in prefixes for name in FILES
    }
    assert _read_objects(cloud)[f"{newer['Data']['Prefix']}/kpis.py"] == b"# newer"


def test_delete_removes_all_versions_of_own_releases_only(
    cloud: Cloud, cloudformation: FakeCloudFormation, second_release: pytest.MonkeyPatch
) -> None:
    cloudformation.send_request(CREATE)
    second_release.undo()
    prefix = cloudformation.send_request(UPDATE)["Data"]["Prefix"]
    cloudformation.send_request(UPDATE)  # creates a second version of each file
    boto3.client("s3").delete_object(Bucket=cloud.bucket, Key=f"{prefix}/kpis.py")
    other_objects = {
        OTHER_KEY: b"by hand",
        f"{prefix}/jobs.zip.bak": b"by hand",
        "emr-scripts/broken/manifest.json": b"not JSON",
        "emr-scripts/list/manifest.json": b"[]",
        "emr-scripts/theirs/manifest.json": json.dumps(
            {"stack": "another", "resource": "SparkScripts", "files": ["jobs.zip"]}
        ).encode(),
        "emr-scripts/theirs/jobs.zip": b"theirs",
    }
    for key, content in other_objects.items():
        cloud.put(key, content)
    response = cloudformation.send_request(DELETE)
    assert (response["Status"], response["PhysicalResourceId"]) == ("SUCCESS", PHYSICAL_ID)
    assert _read_objects(cloud) == other_objects
    assert _list_versions(cloud) == sorted(other_objects)
    assert cloudformation.send_request(DELETE)["Status"] == "SUCCESS"
    assert _list_versions(cloud) == sorted(other_objects)


def test_renamed_resource_keeps_release_that_it_took_over(
    cloud: Cloud, cloudformation: FakeCloudFormation
) -> None:
    """CloudFormation creates the new resource first, and then deletes the old one."""
    cloudformation.send_request(CREATE)
    cloudformation.send_request(CREATE, LogicalResourceId="Renamed")
    assert cloudformation.send_request(DELETE)["Status"] == "SUCCESS"
    assert len(_read_objects(cloud)) == len(FILES)
    assert cloudformation.send_request(DELETE, LogicalResourceId="Renamed")["Status"] == "SUCCESS"
    assert _list_versions(cloud) == []


def test_delete_succeeds_without_bucket(cloud: Cloud, cloudformation: FakeCloudFormation) -> None:
    boto3.client("s3").delete_bucket(Bucket=cloud.bucket)
    assert cloudformation.send_request(DELETE)["Status"] == "SUCCESS"


def _fail_call(
    monkeypatch: pytest.MonkeyPatch, operation: str, number: int, code: str = "AccessDenied"
) -> None:
    """Let one call of an operation fail after it has taken effect. Numbers start from 1."""
    operations: list[str] = []

    def fail(called: str, *_: Any) -> None:
        operations.append(called)
        if operations.count(operation) == number and called == operation:
            raise ClientError({"Error": {"Code": code, "Message": "denied"}}, called)

    watch_calls(monkeypatch, fail)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_failed_put_is_reported_and_removed_by_delete(
    cloud: Cloud, cloudformation: FakeCloudFormation, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with monkeypatch.context() as patch:
        _fail_call(patch, "PutObject", number)
        response = cloudformation.send_request(CREATE)
    assert response["Status"] == "FAILED"
    assert "AccessDenied" in response["Reason"]
    assert "log of test, request request" in response["Reason"]
    assert response["PhysicalResourceId"] == CREATION_FAILED_ID
    assert len(_list_versions(cloud)) == number
    assert (
        cloudformation.send_request(DELETE, PhysicalResourceId=CREATION_FAILED_ID)["Status"]
        == "SUCCESS"
    )
    assert _list_versions(cloud) == []


def test_failed_update_keeps_physical_id(
    cloudformation: FakeCloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_call(monkeypatch, "PutObject", 1)
    response = cloudformation.send_request(UPDATE)
    assert (response["Status"], response["PhysicalResourceId"]) == ("FAILED", PHYSICAL_ID)


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        ("ListObjectsV2", 1),
        ("GetObject", 1),
        ("ListObjectVersions", 1),
        ("DeleteObjects", 1),
        ("ListObjectVersions", 2),
        ("DeleteObjects", 2),
    ],
)
def test_failed_delete_is_reported_and_can_be_repeated(
    cloud: Cloud,
    cloudformation: FakeCloudFormation,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    number: int,
) -> None:
    cloudformation.send_request(CREATE)
    with monkeypatch.context() as patch:
        _fail_call(patch, operation, number)
        response = cloudformation.send_request(DELETE)
    assert (response["Status"], response["PhysicalResourceId"]) == ("FAILED", PHYSICAL_ID)
    assert "AccessDenied" in response["Reason"]
    assert cloudformation.send_request(DELETE)["Status"] == "SUCCESS"
    assert _list_versions(cloud) == []


def test_object_that_s3_does_not_delete_is_reported(
    cloud: Cloud, cloudformation: FakeCloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudformation.send_request(CREATE)

    def deny(called: str, arguments: dict[str, Any], response: dict[str, Any]) -> None:
        if called == "DeleteObjects":
            first = arguments["Delete"]["Objects"][0]
            response["Errors"] = [
                {"Key": first["Key"], "Code": "AccessDenied", "Message": "denied"}
            ]

    with monkeypatch.context() as patch:
        watch_calls(patch, deny)
        response = cloudformation.send_request(DELETE)
    assert response["Status"] == "FAILED"
    assert "ScriptRemovalError: S3 did not delete emr-scripts/" in response["Reason"]
    assert any(
        key.endswith("/manifest.json") for key in _read_objects(cloud)
    )  # for the next attempt


def _send_request_and_crash(
    cloudformation: FakeCloudFormation, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    responses_before = len(cloudformation.responses)
    with monkeypatch.context() as patch:
        crash_after(patch, number)
        with pytest.raises(Crash):
            cloudformation.send_request(name)
    assert len(cloudformation.responses) == responses_before


def test_retry_succeeds_after_crash_at_any_call(
    cloud: Cloud, cloudformation: FakeCloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda repeats a request without a response."""
    for number in range(1, 5):
        _send_request_and_crash(cloudformation, monkeypatch, CREATE, number)
        response = cloudformation.send_request(CREATE)
        assert response["Status"] == "SUCCESS"
        assert set(_read_objects(cloud)) == {
            f"{response['Data']['Prefix']}/{name}" for name in FILES
        }
        cloudformation.send_request(DELETE)
    for number in range(1, 7):
        cloudformation.send_request(CREATE)
        _send_request_and_crash(cloudformation, monkeypatch, DELETE, number)
        assert cloudformation.send_request(DELETE)["Status"] == "SUCCESS"
        assert _list_versions(cloud) == []


def test_missing_setting_is_reported_and_does_not_block_rollback(
    cloudformation: FakeCloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BUCKET")
    response = cloudformation.send_request(CREATE)
    assert response["Status"] == "FAILED"
    assert response["Reason"].startswith("SettingsError: InstallScriptsSettings: BUCKET is not set")
    physical_id = response["PhysicalResourceId"]
    assert (
        cloudformation.send_request(DELETE, PhysicalResourceId=physical_id)["Status"] == "SUCCESS"
    )
    # A release with this ID was installed, so it must not be reported as removed.
    assert cloudformation.send_request(DELETE)["Status"] == "FAILED"


def test_delete_with_physical_id_of_cloudformation(
    cloud: Cloud, cloudformation: FakeCloudFormation
) -> None:
    """CloudFormation generates an ID if a creation sent no response."""
    cloud.put(OTHER_KEY, b"by hand")
    generated_id = "rental-kpi-SparkScripts-1A2B3C4D5E6F"
    for previous_requests in ((), (CREATE,)):
        for name in previous_requests:
            cloudformation.send_request(name)
        response = cloudformation.send_request(DELETE, PhysicalResourceId=generated_id)
        assert (response["Status"], response["PhysicalResourceId"]) == ("SUCCESS", generated_id)
        assert _list_versions(cloud) == [OTHER_KEY]
