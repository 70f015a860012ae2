"""Tests that access to an encrypted object requires permission for the bucket's key."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.support.emr_sandbox import EmrSandbox
from tests.local.support.stack import Stack

CONTENT = b"text"


def create_s3_client(stack: Stack, role_name: str, *actions: str) -> Any:
    """Return an S3 client with a role that may call only these actions."""
    sandbox = EmrSandbox(stack.cloud)
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return sandbox.client_with_role(
        sandbox.put_role(role_name, "lambda.amazonaws.com", [statement]), "s3"
    )


def test_object_can_be_written_and_read_with_permission_for_key(stack: Stack) -> None:
    object_actions = ("s3:GetObject", "s3:PutObject")
    key_actions = ("kms:Decrypt", "kms:GenerateDataKey")
    s3 = create_s3_client(stack, "has-key", *object_actions, *key_actions)
    s3.put_object(Bucket=stack.bucket, Key="keys/own", Body=CONTENT)
    assert s3.get_object(Bucket=stack.bucket, Key="keys/own")["Body"].read() == CONTENT


def test_access_without_permission_for_key_is_denied(stack: Stack) -> None:
    stack.client("s3").put_object(Bucket=stack.bucket, Key="keys/other", Body=CONTENT)
    reader = create_s3_client(stack, "only-encrypts", "s3:*", "kms:GenerateDataKey")
    writer = create_s3_client(stack, "only-decrypts", "s3:*", "kms:Decrypt")
    key = f"on resource: arn:aws:kms:.*/{stack.get_physical_id('DataKey')} "
    with pytest.raises(ClientError, match=rf"AccessDenied.*: kms:Decrypt {key}"):
        reader.get_object(Bucket=stack.bucket, Key="keys/other")
    with pytest.raises(ClientError, match=rf"AccessDenied.*: kms:Decrypt {key}"):
        reader.copy_object(
            Bucket=stack.bucket, Key="keys/copy", CopySource=f"{stack.bucket}/keys/other"
        )
    with pytest.raises(ClientError, match=rf"AccessDenied.*: kms:GenerateDataKey {key}"):
        writer.put_object(Bucket=stack.bucket, Key="keys/other", Body=b"other text")


def test_bucket_without_key_requires_no_permission_for_key(stack: Stack) -> None:
    stack.client("s3").create_bucket(
        Bucket="no-key", CreateBucketConfiguration={"LocationConstraint": stack.cloud.region}
    )
    s3 = create_s3_client(stack, "has-no-key", "s3:PutObject")
    s3.put_object(Bucket="no-key", Key="own", Body=CONTENT)


@pytest.mark.parametrize("role", ["ReceiveUploadRole", "PinInputsRole"])
def test_function_without_permission_for_key_is_denied(role: str, stack: Stack) -> None:
    arn = f"arn:aws:iam::000000000000:role/{stack.get_physical_id(role)}"
    stack.client("s3").put_object(Bucket=stack.bucket, Key="raw/keys/users.csv.part", Body=CONTENT)
    s3 = EmrSandbox(stack.cloud).client_with_role(arn, "s3")
    with (
        stack.without_statement(role, "UseDataKey"),
        pytest.raises(ClientError, match=r"perform: kms:Decrypt on"),
    ):
        s3.get_object(Bucket=stack.bucket, Key="raw/keys/users.csv.part")
    assert s3.get_object(Bucket=stack.bucket, Key="raw/keys/users.csv.part")[
        "ContentLength"
    ] == len(CONTENT)
