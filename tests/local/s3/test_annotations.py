"""Tests that a copy requires permission for annotations, unless it excludes them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.s3.test_bucket_keys import create_s3_client
from tests.local.support.stack import Stack

PERMISSIONS = ("s3:GetObject", "s3:PutObject", "kms:Decrypt", "kms:GenerateDataKey")


@pytest.fixture
def copy(stack: Stack) -> dict[str, Any]:
    """Return the arguments of a copy of an object without annotations."""
    stack.client("s3").put_object(Bucket=stack.bucket, Key="annotations/source", Body=b"text")
    source = {"Bucket": stack.bucket, "Key": "annotations/source"}
    return {"Bucket": stack.bucket, "Key": "annotations/copy", "CopySource": source}


def test_copy_without_annotations_requires_no_permission_for_them(
    stack: Stack, copy: dict[str, Any]
) -> None:
    s3 = create_s3_client(stack, "copies-content", *PERMISSIONS)
    s3.copy_object(**copy, AnnotationDirective="EXCLUDE")


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ("s3:PutObjectAnnotation", "s3:GetObjectAnnotation"),
        ("s3:GetObjectAnnotation", "s3:PutObjectAnnotation"),
    ],
)
def test_copy_requires_permission_for_annotations(
    stack: Stack, copy: dict[str, Any], granted: str, missing: str
) -> None:
    s3 = create_s3_client(stack, f"lacks-{missing[3:6]}-annotation", *PERMISSIONS, granted)
    with pytest.raises(ClientError, match=f"not authorized to perform: {missing} "):
        s3.copy_object(**copy)
    with pytest.raises(ClientError, match=f"not authorized to perform: {missing} "):
        s3.copy_object(**copy, AnnotationDirective="COPY")


def test_copy_with_permission_for_annotations_is_allowed(
    stack: Stack, copy: dict[str, Any]
) -> None:
    actions = ("s3:GetObjectAnnotation", "s3:PutObjectAnnotation")
    create_s3_client(stack, "copies-all", *PERMISSIONS, *actions).copy_object(**copy)


def test_copy_of_a_part_requires_no_permission_for_annotations(
    stack: Stack, copy: dict[str, Any]
) -> None:
    s3 = create_s3_client(stack, "copies-parts", *PERMISSIONS)
    target = {"Bucket": copy["Bucket"], "Key": copy["Key"]}
    upload = s3.create_multipart_upload(**target)["UploadId"]
    s3.upload_part_copy(**copy, UploadId=upload, PartNumber=1)
    stack.client("s3").abort_multipart_upload(**target, UploadId=upload)
