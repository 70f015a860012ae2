"""The custom resource: what comes into the bucket, what goes, and that CloudFormation is told."""

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
from pipeline.release.custom_resource import (
    CREATION_FAILED_ID,
)
from pipeline.release.spark_package import SOURCE, write_spark_package
from tests.functional.conftest import Cloud
from tests.support.aws_calls import Crash, crash_after, watch_calls
from tests.support.cloudformation import CloudFormation
from tests.support.events import load_event

CREATE, UPDATE, DELETE = (f"install_scripts_{kind}" for kind in ("create", "update", "delete"))
FILES = {"jobs.zip", "kpis.py", "manifest.json", "transformation_job.py"}
OTHERS = "emr-scripts/by-hand/jobs.zip"


@pytest.fixture
def cloudformation(cloud: Cloud) -> Iterator[CloudFormation]:  # noqa: ARG001
    with CloudFormation(handler) as listening:
        yield listening


@pytest.fixture
def second_release(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A way to other scripts than those of the source, until it is undone."""
    files = spark_scripts.release_files()
    with monkeypatch.context() as patch:
        patch.setattr(spark_scripts, "release_files", lambda: {**files, "kpis.py": b"# newer"})
        yield patch


def _objects(cloud: Cloud) -> dict[str, bytes]:
    bucket = boto3.resource("s3").Bucket(cloud.bucket)
    return {
        found.key: found.get()["Body"].read()
        for found in bucket.objects.filter(Prefix="emr-scripts/")
    }


def _versions(cloud: Cloud) -> list[str]:
    """The key of each version and delete marker."""
    found = boto3.resource("s3").Bucket(cloud.bucket).object_versions
    return sorted(version.object_key for version in found.filter(Prefix="emr-scripts/"))


def test_create_installs_the_release(
    cloud: Cloud, cloudformation: CloudFormation, tmp_path: Path
) -> None:
    answer = cloudformation.ask(CREATE)
    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"] == PHYSICAL_ID
    release = answer["Data"]["Release"]
    assert answer["Data"] == {"Prefix": f"emr-scripts/{release}", "Release": release}
    assert cloudformation.content_types == [""]  # as the address was signed
    objects = _objects(cloud)
    assert set(objects) == {f"emr-scripts/{release}/{name}" for name in FILES}
    for name in ("kpis.py", "transformation_job.py"):
        assert objects[f"emr-scripts/{release}/{name}"] == (SOURCE / "spark" / name).read_bytes()
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
    run = [sys.executable, "-I", "-c", code]
    said = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"{installed}/contract/__init__.py"


def test_the_release_comes_from_the_content_alone() -> None:
    files = spark_scripts.release_files()
    release = spark_scripts.release_of(files)
    assert len(release) == 16
    assert int(release, 16)
    assert spark_scripts.release_of(dict(reversed(files.items()))) == release
    assert (
        len({spark_scripts.release_of({**files, name: b"other"}) for name in files} | {release})
        == 4
    )


def test_the_same_again_comes_to_the_same(cloud: Cloud, cloudformation: CloudFormation) -> None:
    first, objects = cloudformation.ask(CREATE), _objects(cloud)
    for name in (CREATE, UPDATE, UPDATE):
        again = cloudformation.ask(name)
        assert (again["Data"], again["PhysicalResourceId"]) == (first["Data"], PHYSICAL_ID)
    assert _objects(cloud) == objects


def test_an_update_adds_a_release_and_keeps_the_earlier_one(
    cloud: Cloud, cloudformation: CloudFormation, second_release: pytest.MonkeyPatch
) -> None:
    newer = cloudformation.ask(UPDATE)
    second_release.undo()
    older = cloudformation.ask(UPDATE)  # a rollback, or simply the other order
    assert newer["PhysicalResourceId"] == older["PhysicalResourceId"] == PHYSICAL_ID
    prefixes = {newer["Data"]["Prefix"], older["Data"]["Prefix"]}
    assert len(prefixes) == 2
    assert set(_objects(cloud)) == {f"{prefix}/{name}" for prefix in prefixes for name in FILES}
    assert _objects(cloud)[f"{newer['Data']['Prefix']}/kpis.py"] == b"# newer"


def test_delete_removes_all_versions_of_its_own_releases_and_nothing_else(
    cloud: Cloud, cloudformation: CloudFormation, second_release: pytest.MonkeyPatch
) -> None:
    cloudformation.ask(CREATE)
    second_release.undo()
    prefix = cloudformation.ask(UPDATE)["Data"]["Prefix"]
    cloudformation.ask(UPDATE)  # so there are two versions of each
    boto3.client("s3").delete_object(Bucket=cloud.bucket, Key=f"{prefix}/kpis.py")
    kept = {
        OTHERS: b"by hand",
        f"{prefix}/jobs.zip.bak": b"by hand",
        "emr-scripts/broken/manifest.json": b"not JSON",
        "emr-scripts/list/manifest.json": b"[]",
        "emr-scripts/theirs/manifest.json": json.dumps(
            {"stack": "another", "resource": "SparkScripts", "files": ["jobs.zip"]}
        ).encode(),
        "emr-scripts/theirs/jobs.zip": b"theirs",
    }
    for key, content in kept.items():
        cloud.put(key, content)
    answer = cloudformation.ask(DELETE)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", PHYSICAL_ID)
    assert _objects(cloud) == kept
    assert _versions(cloud) == sorted(kept)
    assert cloudformation.ask(DELETE)["Status"] == "SUCCESS"
    assert _versions(cloud) == sorted(kept)


def test_a_resource_under_a_new_name_keeps_what_it_took_over(
    cloud: Cloud, cloudformation: CloudFormation
) -> None:
    """CloudFormation makes the new one first, then deletes the old one."""
    cloudformation.ask(CREATE)
    cloudformation.ask(CREATE, LogicalResourceId="Renamed")
    assert cloudformation.ask(DELETE)["Status"] == "SUCCESS"
    assert len(_objects(cloud)) == len(FILES)
    assert cloudformation.ask(DELETE, LogicalResourceId="Renamed")["Status"] == "SUCCESS"
    assert _versions(cloud) == []


def test_a_bucket_that_is_gone_has_nothing_to_remove(
    cloud: Cloud, cloudformation: CloudFormation
) -> None:
    boto3.client("s3").delete_bucket(Bucket=cloud.bucket)
    assert cloudformation.ask(DELETE)["Status"] == "SUCCESS"


def _refuse(
    monkeypatch: pytest.MonkeyPatch, operation: str, number: int, code: str = "AccessDenied"
) -> None:
    """The call of that number of the operation fails, having taken effect."""
    made: list[str] = []

    def refuse(called: str, *_: Any) -> None:
        made.append(called)
        if made.count(operation) == number and called == operation:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, called)

    watch_calls(monkeypatch, refuse)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_failed_put_is_told_and_cleaned_up(
    cloud: Cloud, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with monkeypatch.context() as patch:
        _refuse(patch, "PutObject", number)
        answer = cloudformation.ask(CREATE)
    assert answer["Status"] == "FAILED"
    assert "AccessDenied" in answer["Reason"]
    assert "log of test, request request" in answer["Reason"]
    assert answer["PhysicalResourceId"] == CREATION_FAILED_ID
    assert len(_versions(cloud)) == number
    assert cloudformation.ask(DELETE, PhysicalResourceId=CREATION_FAILED_ID)["Status"] == "SUCCESS"
    assert _versions(cloud) == []


def test_a_failed_update_keeps_its_id(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse(monkeypatch, "PutObject", 1)
    answer = cloudformation.ask(UPDATE)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", PHYSICAL_ID)


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
def test_a_failed_removal_is_told_and_can_be_repeated(
    cloud: Cloud,
    cloudformation: CloudFormation,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    number: int,
) -> None:
    cloudformation.ask(CREATE)
    with monkeypatch.context() as patch:
        _refuse(patch, operation, number)
        answer = cloudformation.ask(DELETE)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", PHYSICAL_ID)
    assert "AccessDenied" in answer["Reason"]
    assert cloudformation.ask(DELETE)["Status"] == "SUCCESS"
    assert _versions(cloud) == []


def test_a_removal_that_s3_refuses_for_one_object_is_told(
    cloud: Cloud, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudformation.ask(CREATE)

    def refuse(called: str, arguments: dict[str, Any], answer: dict[str, Any]) -> None:
        if called == "DeleteObjects":
            first = arguments["Delete"]["Objects"][0]
            answer["Errors"] = [{"Key": first["Key"], "Code": "AccessDenied", "Message": "no"}]

    with monkeypatch.context() as patch:
        watch_calls(patch, refuse)
        answer = cloudformation.ask(DELETE)
    assert answer["Status"] == "FAILED"
    assert "ScriptRemovalError: not removed: emr-scripts/" in answer["Reason"]
    assert any(key.endswith("/manifest.json") for key in _objects(cloud))  # for the next try


def _crash(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    told = len(cloudformation.answers)
    with monkeypatch.context() as patch:
        crash_after(patch, number)
        with pytest.raises(Crash):
            cloudformation.ask(name)
    assert len(cloudformation.answers) == told


def test_a_crash_anywhere_is_made_good_by_the_retry(
    cloud: Cloud, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda repeats a request that was not answered."""
    for number in range(1, 5):
        _crash(cloudformation, monkeypatch, CREATE, number)
        answer = cloudformation.ask(CREATE)
        assert answer["Status"] == "SUCCESS"
        assert set(_objects(cloud)) == {f"{answer['Data']['Prefix']}/{name}" for name in FILES}
        cloudformation.ask(DELETE)
    for number in range(1, 7):
        cloudformation.ask(CREATE)
        _crash(cloudformation, monkeypatch, DELETE, number)
        assert cloudformation.ask(DELETE)["Status"] == "SUCCESS"
        assert _versions(cloud) == []


def test_a_missing_setting_is_told_and_does_not_wedge_the_rollback(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BUCKET")
    answer = cloudformation.ask(CREATE)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("SettingsError: InstallScriptsSettings: BUCKET is not set")
    given = answer["PhysicalResourceId"]
    assert cloudformation.ask(DELETE, PhysicalResourceId=given)["Status"] == "SUCCESS"
    # Something was installed once: saying that it is removed would be a lie.
    assert cloudformation.ask(DELETE)["Status"] == "FAILED"


def test_a_delete_with_an_id_that_cloudformation_made_up(
    cloud: Cloud, cloudformation: CloudFormation
) -> None:
    """The creation was never answered: there is nothing, or what its manifest names."""
    cloud.put(OTHERS, b"by hand")
    made_up = "rental-kpi-SparkScripts-1A2B3C4D5E6F"
    for before in ((), (CREATE,)):
        for name in before:
            cloudformation.ask(name)
        answer = cloudformation.ask(DELETE, PhysicalResourceId=made_up)
        assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", made_up)
        assert _versions(cloud) == [OTHERS]
