"""Tests that other users of this machine cannot act on the local cloud."""

from __future__ import annotations

import json
import ssl
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from local import ACCOUNT
from local import cloud as clouds
from local.cloud import Cloud
from local.server_files import DESCRIPTION_FILE
from tests.local.support.functions import create_and_invoke_function

CREDENTIALS_HANDLER = """
import os

def handler(event, context):
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return {name: os.environ[name] for name in names}
"""
REJECTED = "InvalidAccessKeyId|UnrecognizedClientException|InvalidClientTokenId|security token"


@pytest.fixture(scope="module")
def other_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A second cloud, which has resources of the same names."""
    with clouds.running(tmp_path_factory.mktemp("other")) as cloud:
        yield cloud


def create_client(cloud: Cloud, service: str, key_id: str, secret: str, token: str = "") -> Any:
    session = boto3.session.Session(key_id, secret, token or None, region_name=cloud.region)
    create: Any = session.client
    return create(service, endpoint_url=cloud.endpoint, verify=str(cloud.ca_bundle))


def request(cloud: Cloud, path: str, method: str = "GET") -> int:
    """Send a request without credentials, and return its HTTP status."""
    context = ssl.create_default_context(cafile=str(cloud.ca_bundle))
    try:
        with urlopen(  # noqa: S310 - the URL of the local cloud
            Request(f"{cloud.endpoint}{path}", method=method),  # noqa: S310
            context=context,
            timeout=10,
        ) as response:
            return int(response.status)
    except HTTPError as error:
        return error.code


@pytest.mark.parametrize(
    ("key_id", "secret"), [(ACCOUNT, "local"), (ACCOUNT, "test"), ("test", "test")]
)
@pytest.mark.parametrize(
    ("service", "operation"),
    [("s3", "list_buckets"), ("dynamodb", "list_tables"), ("sts", "get_caller_identity")],
)
def test_default_credentials_of_the_emulator_are_rejected(
    cloud: Cloud, service: str, operation: str, key_id: str, secret: str
) -> None:
    client = create_client(cloud, service, key_id, secret)
    with pytest.raises(ClientError, match=REJECTED):
        getattr(client, operation)()


@pytest.mark.parametrize(
    ("service", "operation"), [("s3", "list_buckets"), ("dynamodb", "list_tables")]
)
def test_signature_of_root_is_verified(cloud: Cloud, service: str, operation: str) -> None:
    key_id = cloud.access_key["AWS_ACCESS_KEY_ID"]
    with pytest.raises(ClientError, match=r"SignatureDoesNotMatch|InvalidSignatureException"):
        getattr(create_client(cloud, service, key_id, "guessed"), operation)()


def test_each_start_has_another_access_key(cloud: Cloud, other_cloud: Cloud) -> None:
    assert not set(cloud.access_key.values()) & set(other_cloud.access_key.values())
    client = create_client(other_cloud, "s3", *cloud.access_key.values())
    with pytest.raises(ClientError, match=REJECTED):
        client.list_buckets()


def test_credentials_of_a_function_differ_between_clouds(cloud: Cloud, other_cloud: Cloud) -> None:
    """Otherwise, whoever knows the name of a function and of its role would know them."""
    first, second = (
        create_and_invoke_function(each, "credentials", CREDENTIALS_HANDLER)
        for each in (cloud, other_cloud)
    )
    assert not set(first.values()) & set(second.values())
    identity = create_client(cloud, "sts", *first.values()).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/credentials/credentials"


def test_objects_cannot_be_read_without_credentials(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(
        Bucket="unsigned", CreateBucketConfiguration={"LocationConstraint": cloud.region}
    )
    s3.put_object(Bucket="unsigned", Key="a", Body=b"a")
    unsigned: Any = boto3.session.Session(region_name=cloud.region).client(
        "s3",
        endpoint_url=cloud.endpoint,
        verify=str(cloud.ca_bundle),
        config=Config(signature_version=UNSIGNED),
    )
    for call in (unsigned.get_object, unsigned.put_object, unsigned.delete_object):
        with pytest.raises(ClientError) as error:
            call(Bucket="unsigned", Key="a")
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert s3.get_object(Bucket="unsigned", Key="a")["Body"].read() == b"a"


def test_emulator_cannot_be_administered_without_credentials(cloud: Cloud) -> None:
    for path in ("reset", "config"):
        assert request(cloud, f"/_ministack/{path}", "POST") == 404
    for path in ("_ministack/sqs/messages", "_ministack/lambda-code/f", "_localstack/init"):
        assert request(cloud, f"/{path}") == 404
    assert request(cloud, "/_ministack/health") == 200


def test_access_key_is_stored_where_only_its_owner_can_read_it(cloud: Cloud) -> None:
    file = cloud.folder / DESCRIPTION_FILE
    assert json.loads(file.read_text())["access_key"] == cloud.access_key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(cloud.folder.stat().st_mode) == 0o700
    secret = cloud.access_key["AWS_SECRET_ACCESS_KEY"]
    assert secret not in cloud.log.read_text()
    assert secret not in repr(cloud)
    commands = subprocess.run(
        ["ps", "-eo", "args"], capture_output=True, text=True, check=True
    ).stdout
    assert secret not in commands


def test_new_description_replaces_one_that_others_could_read(tmp_path: Path) -> None:
    for name in (DESCRIPTION_FILE, str(Path(DESCRIPTION_FILE).with_suffix(".new"))):
        (tmp_path / name).write_text("{}")
        (tmp_path / name).chmod(0o644)
    with clouds.running(tmp_path) as cloud:
        assert stat.S_IMODE((cloud.folder / DESCRIPTION_FILE).stat().st_mode) == 0o600
