"""Whoever reads or writes an encrypted object needs the bucket's key too, as on AWS."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.emr_lab import Lab
from tests.local.stack import Stack


def client_with(stack: Stack, name: str, *actions: str) -> Any:
    """S3's client of somebody who may do that and no more."""
    lab = Lab(stack.cloud)
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return lab.as_role(lab.make_role(name, "lambda.amazonaws.com", [statement]), "s3")


def test_an_object_is_written_and_read_by_whoever_may_use_its_key(stack: Stack) -> None:
    objects = ("s3:GetObject", "s3:PutObject")
    somebody = client_with(stack, "has-key", *objects, "kms:Decrypt", "kms:GenerateDataKey")
    somebody.put_object(Bucket=stack.bucket, Key="keys/own", Body=b"words")
    assert somebody.get_object(Bucket=stack.bucket, Key="keys/own")["Body"].read() == b"words"


def test_who_may_not_use_the_key_is_told_so(stack: Stack) -> None:
    stack.client("s3").put_object(Bucket=stack.bucket, Key="keys/other", Body=b"words")
    reader = client_with(stack, "only-encrypts", "s3:*", "kms:GenerateDataKey")
    writer = client_with(stack, "only-decrypts", "s3:*", "kms:Decrypt")
    key = f"on resource: arn:aws:kms:.*/{stack.physical('DataKey')} "
    with pytest.raises(ClientError, match=rf"AccessDenied.*: kms:Decrypt {key}"):
        reader.get_object(Bucket=stack.bucket, Key="keys/other")
    with pytest.raises(ClientError, match=rf"AccessDenied.*: kms:Decrypt {key}"):
        reader.copy_object(
            Bucket=stack.bucket, Key="keys/copy", CopySource=f"{stack.bucket}/keys/other"
        )
    with pytest.raises(ClientError, match=rf"AccessDenied.*: kms:GenerateDataKey {key}"):
        writer.put_object(Bucket=stack.bucket, Key="keys/other", Body=b"others")


def test_a_bucket_without_a_key_asks_for_none(stack: Stack) -> None:
    stack.client("s3").create_bucket(
        Bucket="no-key", CreateBucketConfiguration={"LocationConstraint": stack.cloud.region}
    )
    somebody = client_with(stack, "has-no-key", "s3:PutObject")
    somebody.put_object(Bucket="no-key", Key="own", Body=b"words")


@pytest.mark.parametrize("role", ["ReceiveUploadRole", "PinInputsRole"])
def test_a_function_that_lacks_the_key_is_refused(role: str, stack: Stack) -> None:
    arn = f"arn:aws:iam::000000000000:role/{stack.physical(role)}"
    stack.client("s3").put_object(Bucket=stack.bucket, Key="raw/keys/users.csv.part", Body=b"words")
    s3 = Lab(stack.cloud).as_role(arn, "s3")
    with (
        stack.without(role, "Key"),
        pytest.raises(ClientError, match=r"perform: kms:Decrypt on"),
    ):
        s3.get_object(Bucket=stack.bucket, Key="raw/keys/users.csv.part")
    assert s3.get_object(Bucket=stack.bucket, Key="raw/keys/users.csv.part")["ContentLength"] == 5
