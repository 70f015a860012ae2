"""Tests of the cache of downloaded objects, with MiniStack in the test's own process."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.extensions.patching.clients import get_role_credentials
from local.extensions.patching.patches import resolve
from local.extensions.s3.object_cache import ObjectCache, compute_access_digest

BUCKET = "cached"
ROLE_ARN = "arn:aws:iam::000000000000:role/reads-cached"


@pytest.fixture
def role() -> Iterator[dict[str, Any]]:
    """MiniStack's record of a role without permissions."""
    roles = resolve("ministack.services.iam", "_roles")
    roles["reads-cached"] = {"RoleName": "reads-cached", "Arn": ROLE_ARN, "InlinePolicies": {}}
    yield roles["reads-cached"]
    del roles["reads-cached"]


@pytest.fixture
def bucket_policies() -> Iterator[Any]:
    """The policies of MiniStack's buckets, one of which is the test's."""
    buckets, policies = (
        resolve("ministack.services.s3", name) for name in ("_buckets", "_bucket_policies")
    )
    buckets[BUCKET] = {}
    yield policies
    policies.pop(BUCKET, None)
    del buckets[BUCKET]


@pytest.fixture
def get_digest() -> Callable[[], str]:
    access_key_id = get_role_credentials(ROLE_ARN)["AWS_ACCESS_KEY_ID"]
    return lambda: compute_access_digest(access_key_id, BUCKET)


def build_policy(effect: str) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "s3:GetObject", "Resource": "*", "Principal": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_access_digest_depends_on_policies_of_role(
    role: dict[str, Any], get_digest: Callable[[], str]
) -> None:
    without_policy = get_digest()
    assert get_digest() == without_policy
    role["InlinePolicies"] = {"policy": build_policy("Allow")}
    assert get_digest() != without_policy
    role["InlinePolicies"] = {}
    assert get_digest() == without_policy


@pytest.mark.usefixtures("role")
def test_access_digest_does_not_depend_on_session(get_digest: Callable[[], str]) -> None:
    first_session = get_digest()
    access_key_id = get_role_credentials(ROLE_ARN)["AWS_ACCESS_KEY_ID"]
    resolve("ministack.services.sts", "_sessions")[access_key_id]["IssuedAt"] += 60
    assert get_digest() == first_session


@pytest.mark.usefixtures("role")
def test_access_digest_depends_on_policy_of_bucket(
    bucket_policies: Any, get_digest: Callable[[], str]
) -> None:
    without_policy = get_digest()
    bucket_policies[BUCKET] = str(build_policy("Deny"))
    assert get_digest() != without_policy


def test_cached_object_is_found_by_bucket_key_etag_and_access(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path, lambda _: "access")
    cached = cache.get("bucket", "key", "etag")
    assert not cached.is_stored
    cached.store(io.BytesIO(b"content"))
    assert cache.get("bucket", "key", "etag").path.read_bytes() == b"content"
    other_access = ObjectCache(tmp_path, lambda _: "other access")
    for other in (
        cache.get("other", "key", "etag"),
        cache.get("bucket", "other", "etag"),
        cache.get("bucket", "key", "other"),
        other_access.get("bucket", "key", "etag"),
    ):
        assert not other.is_stored


def test_denial_is_recorded_by_version(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path, lambda _: "access")
    cache.get("bucket", "key", "etag").store_denial()
    assert cache.get("bucket", "key", "etag").is_denied
    assert not cache.get("bucket", "key", "etag").is_stored
    assert not cache.get("bucket", "key", "other").is_denied
