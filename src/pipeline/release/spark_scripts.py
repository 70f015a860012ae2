"""Releases of the Spark scripts in the bucket.

Each release has its own folder with a manifest, which names the owner and the files.
"""

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
from pipeline.release.spark_package import ENTRY_POINTS, build_spark_package

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

MANIFEST = "manifest.json"

_RELEASE_LENGTH = 16
_RELEASES_PREFIX = scripts_prefix("")
_MAX_DELETED_OBJECTS = 1000  # per request, a limit of S3


class ScriptRemovalError(PipelineError):
    """S3 did not delete some of the scripts."""


@dataclass(frozen=True)
class ReleaseOwner:
    """The custom resource that installed a release.

    Attributes:
        stack: ARN of the stack.
        resource: Logical ID of the resource.
    """

    stack: str
    resource: str


def read_release_files() -> dict[str, bytes]:
    """Return the files of a release by name: the ZIP file of modules, and the programs."""
    entry_points = {path.name: path.read_bytes() for path in ENTRY_POINTS.values()}
    return {JOBS_ZIP: build_spark_package(), **entry_points}


def compute_release(files: Mapping[str, bytes]) -> str:
    """Return the name of a release: 16 hexadecimal digits that depend only on its files."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    identity = json.dumps(digests, sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()[:_RELEASE_LENGTH]


def install_release(s3: S3Client, bucket: str, owner: ReleaseOwner) -> str:
    """Install the current release in the bucket. Installing it again changes nothing.

    Earlier releases are kept for the executions that use them, and for rollbacks.

    Args:
        s3: The S3 client.
        bucket: Name of the data bucket.
        owner: The resource that installs the release.

    Returns:
        The name of the release.
    """
    files = read_release_files()
    release = compute_release(files)
    manifest = {**asdict(owner), "release": release, "files": sorted(files)}
    # The manifest comes first, so that an interrupted installation can be removed by its owner.
    contents = {MANIFEST: json.dumps(manifest, indent=2).encode(), **files}
    for name, content in contents.items():
        s3.put_object(Bucket=bucket, Key=f"{scripts_prefix(release)}/{name}", Body=content)
    return release


def remove_releases(s3: S3Client, bucket: str, owner: ReleaseOwner) -> int:
    """Delete every version of the files that the owner's manifests name, and the manifests.

    Other objects below `emr-scripts/` are kept. If the bucket does not exist, there is nothing to
    delete.

    Args:
        s3: The S3 client.
        bucket: Name of the data bucket.
        owner: The resource that installed the releases.

    Returns:
        The number of releases.

    Raises:
        ScriptRemovalError: S3 did not delete some files. The manifest is kept for the next attempt.
    """
    try:
        owned = list(_list_manifests(s3, bucket, owner))
        for folder, manifest in owned:
            files = {f"{folder}/{name}" for name in manifest["files"]}
            _delete_versions(s3, bucket, folder, files)
            _delete_versions(s3, bucket, folder, {f"{folder}/{MANIFEST}"})
    except ClientError as error:
        if error_code(error) == "NoSuchBucket":
            return 0
        raise
    return len(owned)


def _list_manifests(
    s3: S3Client, bucket: str, owner: ReleaseOwner
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the folder and the manifest of each release of the owner."""
    paginator = s3.get_paginator("list_objects_v2")
    for page in paginator.paginate(Bucket=bucket, Prefix=_RELEASES_PREFIX):
        for entry in page.get("Contents", []):
            folder, _, name = entry["Key"].rpartition("/")
            if name != MANIFEST:
                continue
            content = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            manifest = _parse_manifest(content)
            if all(manifest.get(name) == value for name, value in asdict(owner).items()):
                yield folder, manifest


def _parse_manifest(content: bytes) -> dict[str, Any]:
    """Return a manifest. It is empty if the content is not a manifest of the pipeline."""
    try:
        manifest = json.loads(content)
    except ValueError:
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _delete_versions(s3: S3Client, bucket: str, folder: str, keys: set[str]) -> None:
    """Delete all versions and delete markers of keys in a folder."""
    paginator = s3.get_paginator("list_object_versions")
    versions: list[ObjectIdentifierTypeDef] = [
        {"Key": version["Key"], "VersionId": version["VersionId"]}
        for page in paginator.paginate(Bucket=bucket, Prefix=f"{folder}/")
        for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if version["Key"] in keys
    ]
    for start in range(0, len(versions), _MAX_DELETED_OBJECTS):
        objects = versions[start : start + _MAX_DELETED_OBJECTS]
        response = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        if errors := response.get("Errors"):
            failed = ", ".join(f"{error['Key']} ({error['Code']})" for error in errors)
            raise ScriptRemovalError(
                f"S3 did not delete {failed}: fix the cause, then delete the stack again"
            )
