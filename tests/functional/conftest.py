"""AWS as moto plays it, with what the stack would have made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import boto3
import botocore.session
import pytest
from botocore.loaders import Loader
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sns.models import sns_backends

from pipeline.aws import clients

REGION = "eu-west-1"
STACK = "rental-kpi"
BUCKET = "rental-data"
TABLE = "ledger"

# AWS's descriptions of its services, read once: reading them takes longer than most tests.
_DESCRIPTIONS = Loader()


@dataclass(frozen=True)
class Cloud:
    """The names of what is there, and ways to look at what happened."""

    bucket: str
    table: str
    topic_arn: str
    state_machine_arn: str

    def mails(self) -> list[tuple[str, str]]:
        """Subject and body of every mail sent since this was last asked, in order."""
        topic = sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[self.topic_arn]
        mails = [(subject or "", body) for _, body, subject, *_ in topic.sent_notifications]
        topic.sent_notifications.clear()
        return mails

    def executions(self) -> dict[str, dict[str, object]]:
        """The input of every execution that was started, by name."""
        sfn = boto3.client("stepfunctions")
        listed = sfn.list_executions(stateMachineArn=self.state_machine_arn)["executions"]
        return {
            execution["name"]: json.loads(
                sfn.describe_execution(executionArn=execution["executionArn"])["input"]
            )
            for execution in listed
        }

    def put(self, key: str, content: bytes) -> str:
        """Put an object; its version."""
        return boto3.client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)["VersionId"]


@dataclass(frozen=True)
class Context:
    """What Lambda tells a function of its own invocation."""

    function_name: str = "test"
    function_version: str = "1"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:123456789012:function:test"
    aws_request_id: str = "request"
    remaining_ms: int = 300_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An account with the stack's bucket, table and topic, and a state machine that only waits."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        session = botocore.session.Session()
        session.register_component("data_loader", _DESCRIPTIONS)
        boto3.setup_default_session(botocore_session=session)
        clients.forget_clients()
        yield _stack(monkeypatch)
    clients.forget_clients()


def _stack(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    sns = boto3.client("sns")
    topic = sns.create_topic(Name="reports")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="reader@example.org")
    role = boto3.client("iam").create_role(RoleName="pipeline", AssumeRolePolicyDocument="{}")
    machine = boto3.client("stepfunctions").create_state_machine(
        name=f"{STACK}-pipeline",
        roleArn=role["Role"]["Arn"],
        definition=json.dumps(
            {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}}
        ),
    )["stateMachineArn"]
    for name, value in {
        "BUCKET": BUCKET,
        "LEDGER_TABLE": TABLE,
        "TOPIC_ARN": topic,
        "STATE_MACHINE_ARN": machine,
        "STACK": STACK,
        "DATABASE": "rental_kpi",
        "WORKGROUP": "rental-kpi",
        "MAX_REJECTED_PERCENT": "5",
        "INCOMPLETE_BATCH_HOURS": "24",
    }.items():
        monkeypatch.setenv(name, value)
    return Cloud(BUCKET, TABLE, topic, machine)
