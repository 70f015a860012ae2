"""The stack's resources in moto, an implementation of AWS within the test process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sns.models import sns_backends

from pipeline.ledger.batch_ledger import BatchLedger
from pipeline.ledger.table import LedgerTable
from tests.support.ledger_permissions import enforce_ledger_permissions

REGION = "eu-west-1"
STACK = "rental-kpi"
BUCKET = "rental-data"
TABLE = "ledger"


@dataclass(frozen=True)
class Cloud:
    """The names of the resources, and access to their state."""

    bucket: str
    table: str
    topic_arn: str
    state_machine_arn: str

    @property
    def ledger(self) -> LedgerTable:
        """The ledger's table."""
        return LedgerTable(boto3.client("dynamodb"), self.table)

    @property
    def batches(self) -> BatchLedger:
        """The ledger of batches."""
        return BatchLedger(self.ledger)

    def emails(self) -> list[tuple[str, str]]:
        """Return subject and body of every email since the last call, in order."""
        topic = sns_backends[DEFAULT_ACCOUNT_ID][REGION].topics[self.topic_arn]
        emails = [(subject or "", body) for _, body, subject, *_ in topic.sent_notifications]
        topic.sent_notifications.clear()
        return emails

    def executions(self) -> dict[str, dict[str, object]]:
        """Return the input of every started execution, by name."""
        sfn = boto3.client("stepfunctions")
        executions = sfn.list_executions(stateMachineArn=self.state_machine_arn)["executions"]
        return {
            execution["name"]: json.loads(
                sfn.describe_execution(executionArn=execution["executionArn"])["input"]
            )
            for execution in executions
        }

    def put(self, key: str, content: bytes) -> str:
        """Put an object and return its version."""
        return boto3.client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)["VersionId"]


@dataclass(frozen=True)
class Context:
    """The context of an invocation."""

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
    """An account with the stack's bucket, table, and topic, and a state machine that only waits."""
    enforce_ledger_permissions(monkeypatch)
    with simulated_cloud(monkeypatch) as cloud:
        yield cloud


@contextmanager
def simulated_cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Simulate AWS with the resources of the stack during the block."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    # moto intercepts the calls of every client, so the tests can share them.
    monkeypatch.setattr(boto3, "client", _create_client)
    # Emails within the budget are sent a moment apart.
    monkeypatch.setattr("pipeline.notifications.emails.sleep", lambda _: None)
    with mock_aws():
        yield _create_stack(monkeypatch)


@cache
def _create_client(service: str, config: Config | None = None) -> BaseClient:
    """Create a client once in a test process, because that takes longer than most calls."""
    # The types of boto3 accept only literal service names.
    session: Any = boto3.Session(region_name=REGION)
    client: BaseClient = session.client(service, config=config)
    return client


def _create_stack(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "open", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "open-items",
                "KeySchema": [{"AttributeName": "open", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
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
        "LEDGER_RETENTION_DAYS": "90",
        "TOPIC_ARN": topic,
        "STATE_MACHINE_ARN": machine,
        "STACK": STACK,
        "DATABASE": "rental_kpi",
        "WORKGROUP": "rental-kpi",
        "MAX_REJECTED_PERCENT": "5",
        "INCOMPLETE_BATCH_HOURS": "24",
        "MAX_CONCURRENT_RUNS": "4",
        "MAX_UPLOAD_SPREAD_HOURS": "24",
    }.items():
        monkeypatch.setenv(name, value)
    return Cloud(BUCKET, TABLE, topic, machine)
