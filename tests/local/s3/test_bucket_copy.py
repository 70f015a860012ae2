"""Tests of the copy of S3 that a program works on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local.extensions.s3.bucket_copy import S3AccessError, S3Copy
from local.extensions.s3.object_cache import ObjectCache
from tests.local.support.emr_sandbox import BUCKET, BUCKET_ACCESS, EmrSandbox

CreateCopy = Callable[..., S3Copy]


@pytest.fixture
def create_copy(sandbox: EmrSandbox, tmp_path: Path) -> CreateCopy:
    """Create copies that share one cache, each in its own folder."""
    numbers = iter(range(100))

    def create(s3: Any = None, *, access_digest: str = "same") -> S3Copy:
        cache = ObjectCache(tmp_path / "cache", lambda _: access_digest)
        return S3Copy(s3 or sandbox.client("s3"), tmp_path / f"copy-{next(numbers)}", cache)

    return create


def create_restricted_client(sandbox: EmrSandbox, role: str, *patterns: str) -> Any:
    """Return an S3 client that can list the bucket, and use the objects that match a pattern."""
    bucket_arn = f"arn:aws:s3:::{BUCKET}"
    objects = [f"{bucket_arn}/{pattern}" for pattern in patterns]
    statements = [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": bucket_arn},
        {**BUCKET_ACCESS, "Resource": objects},
    ]
    return sandbox.client_with_role(sandbox.put_role(role, "ec2.amazonaws.com", statements), "s3")


def count_downloads(s3: Any) -> Callable[[], int]:
    """Count the GetObject calls of a client from now on."""
    calls: list[None] = []
    s3.meta.events.register("before-call.s3.GetObject", lambda **_: calls.append(None))
    return lambda: len(calls)


def test_store_applies_changes_of_copy_to_s3(sandbox: EmrSandbox, create_copy: CreateCopy) -> None:
    sandbox.put_object("copy/in/a", b"a")
    sandbox.put_object("copy/in/b/c", b"c")
    sandbox.put_object("copy/in/same-size", b"old")
    sandbox.put_object("copy/old/part-1", b"old")
    copy = create_copy()
    assert copy.fetch(f"s3://{BUCKET}/copy/in/a") == 1
    assert copy.fetch(f"s3://{BUCKET}/copy/in/b/") == 1
    assert copy.fetch(f"s3://{BUCKET}/copy/in") == 5
    assert copy.fetch(f"s3://{BUCKET}/copy/none") == 0
    assert copy.fetch(f"s3://{BUCKET}/copy/old") == 3
    folder = copy.bucket_folder(BUCKET) / "copy"
    assert (folder / "in/b/c").read_bytes() == b"c"
    (folder / "old/part-1").unlink()
    (folder / "old/part-2").write_bytes(b"new")
    (folder / "old/_temporary").mkdir()
    (folder / "old/_temporary/part-3").write_bytes(b"half")
    (folder / "old/_SUCCESS").touch()
    (folder / "in/a").write_bytes(b"changed")
    (folder / "in/same-size").write_bytes(b"new")
    copy.store()
    assert sandbox.list_keys("copy/") == {
        "copy/in/a",
        "copy/in/b/c",
        "copy/in/same-size",
        "copy/old/part-2",
        "copy/old/_SUCCESS",
    }
    assert sandbox.read_object("copy/in/a") == b"changed"
    assert sandbox.read_object("copy/in/same-size") == b"new"


def test_store_changes_nothing_that_the_program_left_unchanged(
    sandbox: EmrSandbox, create_copy: CreateCopy
) -> None:
    sandbox.put_object("unchanged/a", b"a")
    sandbox.put_object("unchanged/_temporary/b", b"b")
    copy = create_copy()
    copy.fetch(f"s3://{BUCKET}/unchanged")
    sandbox.put_object("unchanged/a", b"written by another program")
    sandbox.put_object("unchanged/c", b"written by another program")
    copy.store()
    assert sandbox.read_object("unchanged/a") == b"written by another program"
    assert sandbox.list_keys("unchanged/") == {
        "unchanged/a",
        "unchanged/_temporary/b",
        "unchanged/c",
    }


@pytest.mark.parametrize("missing", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"])
def test_error_names_the_permission_that_the_role_lacks(
    sandbox: EmrSandbox, create_copy: CreateCopy, missing: str
) -> None:
    actions = [action for action in BUCKET_ACCESS["Action"] if action != missing]
    role = sandbox.put_role(
        "lacks-" + missing.partition(":")[2],
        "ec2.amazonaws.com",
        [{**BUCKET_ACCESS, "Action": actions}],
    )
    sandbox.put_object("permissions/a", b"a")
    copy = create_copy(sandbox.client_with_role(role, "s3"))

    def use_copy() -> None:
        copy.fetch(f"s3://{BUCKET}/permissions/a")
        folder = copy.bucket_folder(BUCKET) / "permissions/out"
        folder.mkdir(parents=True)
        (folder / "_SUCCESS").touch()
        copy.store()

    with pytest.raises(S3AccessError, match=missing):
        use_copy()


def test_folder_with_unreadable_object_is_an_error(
    sandbox: EmrSandbox, create_copy: CreateCopy
) -> None:
    sandbox.put_object("partly/readable/a", b"a")
    unreadable = sandbox.put_object("partly/secret/b", b"b")
    s3 = create_restricted_client(sandbox, "reads-partly", "partly", "partly/readable/*")
    copy = create_copy(s3)
    # An earlier copy of the whole bucket has recorded that the object is unreadable.
    copy.fetch(f"s3://{BUCKET}")
    with pytest.raises(S3AccessError, match=unreadable):
        create_copy(s3).fetch(f"s3://{BUCKET}/partly")


def test_unreadable_objects_of_whole_bucket_are_omitted(
    sandbox: EmrSandbox, create_copy: CreateCopy
) -> None:
    sandbox.put_object("whole/readable/a", b"a")
    unreadable = sandbox.put_object("whole/secret/b", b"b")
    s3 = create_restricted_client(sandbox, "reads-whole", "whole", "whole/readable*")
    for copy in (create_copy(s3), create_copy(s3)):
        assert copy.fetch(f"s3://{BUCKET}/") == 1
        folder = copy.bucket_folder(BUCKET)
        files = [str(path.relative_to(folder)) for path in folder.glob("**/*") if path.is_file()]
        assert files == ["whole/readable/a"]
        assert unreadable in copy.omitted
        (folder / "whole/readable/a").unlink()
        (folder / "whole/readable/a").write_bytes(b"b")
        copy.store()
        assert sandbox.read_object("whole/secret/b") == b"b"


# Keys that would lead out of the step's folder, or that no file can have.
UNUSABLE_KEYS = [
    "/etc/passwd",
    "../../outside",
    "paths/../../../outside",
    "paths/..",
    "paths/./dot",
    "paths//empty",
    "paths/folder/",
    "paths/" + 256 * "n",
    "paths/" + 128 * "ü",
    "paths/" + 300 * "deep/" + "file",
]


def test_no_key_leads_out_of_the_folder(
    sandbox: EmrSandbox, create_copy: CreateCopy, tmp_path: Path
) -> None:
    keys = [*UNUSABLE_KEYS, "paths/object", "paths/object/below"]
    for key in [*keys, "paths/" + 255 * "n", "paths/" + 127 * "ü", "paths/~", "paths/a\\b *?"]:
        sandbox.put_object(key, b"x")
    copy = create_copy()
    copy.fetch(f"s3://{BUCKET}")
    # A NUL cannot be in a response of S3, so it cannot be listed.
    for key in [*UNUSABLE_KEYS, "paths/nul\0"]:
        assert copy.fetch(f"s3://{BUCKET}/{key}") == 0
    folder = copy.bucket_folder(BUCKET) / "paths"
    files = {path.name for path in folder.glob("**/*") if path.is_file()}
    assert files == {"object", 255 * "n", 127 * "ü", "~", "a\\b *?"}
    assert not list(tmp_path.glob("**/outside"))
    assert {f"s3://{BUCKET}/{key}" for key in keys} - set(copy.omitted) == {
        f"s3://{BUCKET}/paths/object",  # only what is below it is omitted
        f"s3://{BUCKET}/paths/folder/",  # a marker of a folder
    }
    before = sandbox.list_keys("")
    copy.store()
    assert sandbox.list_keys("") == before
    for key in [*UNUSABLE_KEYS, "paths/object/below"]:
        sandbox.client("s3").delete_object(Bucket=BUCKET, Key=key)


@pytest.mark.parametrize("uri", ["s3://../..", "s3://../../x", "s3://./a", "s3:///etc/passwd"])
def test_no_bucket_leads_out_of_the_folder(create_copy: CreateCopy, uri: str) -> None:
    with pytest.raises(S3AccessError, match="Invalid bucket name"):
        create_copy().fetch(uri)


@pytest.mark.parametrize("keys", [("both/a", "both/a/b"), ("both/a/b", "both/a")])
def test_object_and_object_below_it_in_several_uris(
    sandbox: EmrSandbox, create_copy: CreateCopy, keys: tuple[str, str]
) -> None:
    for key in keys:
        sandbox.put_object(key, key.encode())
    copy = create_copy()
    for uri in (*(f"s3://{BUCKET}/{key}" for key in keys), f"s3://{BUCKET}"):
        copy.fetch(uri)
    folder = copy.bucket_folder(BUCKET)
    assert (folder / keys[0]).read_bytes() == keys[0].encode()
    assert f"s3://{BUCKET}/{keys[1]}" in copy.omitted
    copy.store()
    assert sandbox.list_keys("both/") == set(keys)
    sandbox.client("s3").delete_object(Bucket=BUCKET, Key="both/a/b")


def test_links_of_a_program_are_not_followed(
    sandbox: EmrSandbox, create_copy: CreateCopy, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "password").write_text("secret")
    sandbox.put_object("links/a", b"a")
    copy = create_copy()
    copy.fetch(f"s3://{BUCKET}/links")
    folder = copy.bucket_folder(BUCKET) / "links"
    (folder / "file").symlink_to(secrets / "password")
    (folder / "folder").symlink_to(secrets)
    (folder / "a").unlink()
    (folder / "a").symlink_to(secrets / "password")
    copy.bucket_folder(BUCKET).with_name("emr-other").symlink_to(secrets)
    copy.store()
    assert sandbox.list_keys("links/") == {"links/a"}
    assert sandbox.read_object("links/a") == b"a"


def test_unchanged_objects_are_downloaded_once(
    sandbox: EmrSandbox, create_copy: CreateCopy
) -> None:
    for key in ("a", "b"):
        sandbox.put_object(f"cached/{key}", b"old")
    s3 = create_restricted_client(sandbox, "reads-cached", "cached*")
    fetch = partial(S3Copy.fetch, uri=f"s3://{BUCKET}/")
    downloads = count_downloads(s3)
    first = create_copy(s3)
    assert fetch(first) == 6
    initial = downloads()
    (first.bucket_folder(BUCKET) / "cached/a").write_bytes(b"not stored")
    second = create_copy(s3)
    assert fetch(second) == 6
    assert downloads() == initial
    assert (second.bucket_folder(BUCKET) / "cached/a").read_bytes() == b"old"
    sandbox.put_object("cached/a", b"newer")
    third = create_copy(s3)
    assert fetch(third) == 8
    assert downloads() == initial + 1
    assert (third.bucket_folder(BUCKET) / "cached/a").read_bytes() == b"newer"


def test_cache_is_not_used_after_change_of_policies(
    sandbox: EmrSandbox, create_copy: CreateCopy
) -> None:
    uri = sandbox.put_object("policies/a", b"a")
    s3 = create_restricted_client(sandbox, "reads-policies", "policies*")
    assert create_copy(s3).fetch(f"s3://{BUCKET}") == 1
    create_restricted_client(sandbox, "reads-policies", "elsewhere*")
    copy = create_copy(s3, access_digest="changed")
    copy.fetch(f"s3://{BUCKET}")
    assert uri in copy.omitted
    create_restricted_client(sandbox, "reads-policies", "policies*")
    assert create_copy(s3, access_digest="changed again").fetch(f"s3://{BUCKET}") == 1


def test_invalid_bucket_name_is_an_error(create_copy: CreateCopy) -> None:
    with pytest.raises(S3AccessError, match="s3://no_bucket!/"):
        create_copy().fetch("s3://no_bucket!/")
