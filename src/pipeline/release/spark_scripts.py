"""The Spark jobs in the bucket: one folder a release, with a manifest that says whose it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from contract.layout import JOBS_ZIP, scripts_prefix
from pipeline.aws.clients import error_code
from pipeline.errors import PipelineError
from pipeline.release.spark_package import ENTRY_POINTS, spark_package

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

MANIFEST = "manifest.json"

_RELEASE_LETTERS = 16
_ALL_RELEASES = scripts_prefix("")
_MOST_DELETED_AT_ONCE = 1000


class ScriptRemovalError(PipelineError):
    """S3 refused to remove some of the scripts."""


@dataclass(frozen=True)
class ReleaseOwner:
    """Who installed a release: a stack's ARN, and the resource's name in its template."""

    stack: str
    resource: str


def release_files() -> dict[str, bytes]:
    """What a release consists of, by name: the zip and the entry points."""
    entry_points = {path.name: path.read_bytes() for path in ENTRY_POINTS.values()}
    return {JOBS_ZIP: spark_package(), **entry_points}


def release_of(files: Mapping[str, bytes]) -> str:
    """A release's name: 16 hexadecimal digits that come from its files alone."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    identity = json.dumps(digests, sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()[:_RELEASE_LETTERS]


def install(s3: S3Client, bucket: str, owner: ReleaseOwner) -> str:
    """Put the scripts into the bucket; the release. Once more changes nothing.

    Earlier releases stay, for the executions that run them and for a way back.
    """
    files = release_files()
    release = release_of(files)
    manifest = {**asdict(owner), "release": release, "files": sorted(files)}
    # The manifest first, so that files of an interrupted installation are known to be the owner's.
    contents = {MANIFEST: json.dumps(manifest, indent=2).encode(), **files}
    for name, content in contents.items():
        s3.put_object(Bucket=bucket, Key=f"{scripts_prefix(release)}/{name}", Body=content)
    return release


def remove(s3: S3Client, bucket: str, owner: ReleaseOwner) -> int:
    """Remove every version of what the owner's manifests name; the number of releases.

    Nothing else below `emr-scripts/` is touched. A bucket that is gone has nothing to remove.
    ScriptRemovalError names what S3 did not remove. The manifest then stays for the next attempt.
    """
    try:
        owned = list(_manifests_of(s3, bucket, owner))
        for folder, manifest in owned:
            _remove_versions(s3, bucket, folder, {f"{folder}/{name}" for name in manifest["files"]})
            _remove_versions(s3, bucket, folder, {f"{folder}/{MANIFEST}"})
    except ClientError as error:
        if error_code(error) == "NoSuchBucket":
            return 0
        raise
    return len(owned)


def _manifests_of(
    s3: S3Client, bucket: str, owner: ReleaseOwner
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield folder and manifest of each release that the owner has installed."""
    pages = s3.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=_ALL_RELEASES):
        for found in page.get("Contents", []):
            folder, _, name = found["Key"].rpartition("/")
            if name != MANIFEST:
                continue
            content = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
            manifest = _read_manifest(content)
            if all(manifest.get(name) == value for name, value in asdict(owner).items()):
                yield folder, manifest


def _read_manifest(content: bytes) -> dict[str, Any]:
    """The manifest; empty if it is none of ours."""
    try:
        manifest = json.loads(content)
    except ValueError:
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _remove_versions(s3: S3Client, bucket: str, folder: str, keys: set[str]) -> None:
    """Remove all versions and delete markers of the keys, which lie in the folder."""
    pages = s3.get_paginator("list_object_versions")
    versions: list[ObjectIdentifierTypeDef] = [
        {"Key": version["Key"], "VersionId": version["VersionId"]}
        for page in pages.paginate(Bucket=bucket, Prefix=f"{folder}/")
        for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if version["Key"] in keys
    ]
    for start in range(0, len(versions), _MOST_DELETED_AT_ONCE):
        some = versions[start : start + _MOST_DELETED_AT_ONCE]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
        if refused := answer.get("Errors"):
            named = ", ".join(f"{error['Key']} ({error['Code']})" for error in refused)
            raise ScriptRemovalError(f"not removed: {named}")
