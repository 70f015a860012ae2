"""A deployed stack in moto with runs of any history, for the commands of operators."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.stepfunctions.models import stepfunctions_backends

from cli.__main__ import run_command
from cli.target import local_clouds
from cli.target.account import open_aws_account
from cli.target.stack import get_stack
from cli.target.target import Target
from contract.datasets import DATASETS
from contract.layout import KPI_JOB, TRANSFORMATION_JOB, job_report_key, pinned_key, publication_key
from contract.reports import TransformationReport
from pipeline.ledger.batch import FileVersion, Run
from tests.support.runs import create_kpi_report, create_transformation_report

REGION = "eu-west-1"
STACK = "rental-kpi"
BUCKET = "rental-data"
TABLE = "ledger"
_REAL_SESSION = boto3.session.Session
START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def make_run_id(batch: str, number: int = 0) -> str:
    """Return a run ID of the real form."""
    return f"{batch}-{number:020x}"


@dataclass
class Result:
    """The result of a command: its exit code, and what it printed."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on stdout."""
        document: dict[str, Any] = json.loads(self.stdout)
        return document


@dataclass
class OperatorStack:
    """A stack in moto.

    Attributes:
        folder: The folder of the local clouds, of which none is running.
        fakes: Clients in place of those that moto cannot serve, by service.
    """

    folder: Path
    fakes: dict[str, Any] = field(default_factory=dict)
    _clock: datetime = field(default=START)

    def client(self, service: str) -> Any:
        return _create_client(service)

    @cached_property
    def target(self) -> Target:
        account = open_aws_account("", REGION)
        return Target(account, get_stack(account, STACK))

    def add_run(
        self,
        batch: str = "2026-11",
        number: int = 0,
        *,
        status: str = "PUBLISHED",
        run_id: str = "",
        report: TransformationReport | None = None,
        item: Mapping[str, Any] | None = None,
        publish: bool | None = None,
    ) -> str:
        """Add a run that started an hour after the one before it.

        Args:
            batch: Name of its batch.
            number: Number that distinguishes the runs of a batch.
            status: Its status in the ledger.
            run_id: Its ID. By default, one of the real form.
            report: What it counted. By default, four rentals, if it has results.
            item: Further attributes of its item in the ledger.
            publish: Whether it has a publication record. By default, if its status says so.

        Returns:
            Its ID.
        """
        run_id = run_id or make_run_id(batch, number)
        self._clock += timedelta(hours=1)
        files = tuple(
            FileVersion(d.name, f"raw/{batch}/{d.file}", f"v{number}", 100) for d in DATASETS
        )
        claimed_at = f"{self._clock:%Y-%m-%dT%H:%M:%S.%fZ}"
        run = Run(run_id, f"raw/{batch}/", claimed_at, files)
        execution = {
            "RUNNING": "RUNNING",
            "FAILED": "FAILED",
        }.get(status, "SUCCEEDED")
        self.add_execution(run_id, run.execution_input, execution)
        self.put_item(
            {
                "id": f"run/{run_id}",
                "status": status,
                "batch": run.batch,
                "claimed_at": claimed_at,
                **(item or {}),
            }
        )
        if status in {"PUBLISHED", "SUPERSEDED", "VERIFIED"} or report:
            self.put_reports(run_id, report)
        if publish if publish is not None else status == "PUBLISHED":
            self.publish(run_id)
        return run_id

    def add_execution(self, name: str, execution_input: str, status: str) -> None:
        """Add an execution that started now, and lasted ten minutes if it has ended."""
        stepfunctions = self.client("stepfunctions")
        arn = stepfunctions.start_execution(
            stateMachineArn=self.target.state_machine_arn, name=name, input=execution_input
        )["executionArn"]
        execution = stepfunctions_backends[DEFAULT_ACCOUNT_ID][REGION].describe_execution(arn)
        # moto compares it with the start of other executions, which has no time zone.
        execution.start_date = self._clock.replace(tzinfo=None)
        execution.status = status
        if status != "RUNNING":
            execution.stop_date = execution.start_date + timedelta(minutes=10)
        if status == "FAILED":
            execution.error, execution.cause = "RunRejectedError", "CheckRun: too many rejections"

    def get_execution(self, name: str) -> Any:
        """Return moto's execution, whose attributes can be changed."""
        backend = stepfunctions_backends[DEFAULT_ACCOUNT_ID][REGION]
        return backend.describe_execution(self.target.get_execution_arn(name))

    def end_run(self, run_id: str, status: str = "PUBLISHED") -> None:
        """End a run in progress."""
        execution = self.get_execution(run_id)
        execution.status = "FAILED" if status == "FAILED" else "SUCCEEDED"
        execution.stop_date = execution.start_date + timedelta(minutes=10)
        self.put_item({"id": f"run/{run_id}", "status": status, "batch": "raw/2026-11/"})

    def put_item(self, item: Mapping[str, Any]) -> None:
        serialize = TypeSerializer().serialize
        attributes = {name: serialize(value) for name, value in item.items()}
        self.client("dynamodb").put_item(TableName=TABLE, Item=attributes)

    def put_object(self, key: str, content: str | bytes) -> str:
        body = content.encode() if isinstance(content, str) else content
        version: str = self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)["VersionId"]
        return version

    def put_reports(self, run_id: str, report: TransformationReport | None = None) -> None:
        transformation = report or create_transformation_report(run_id)
        self.put_object(job_report_key(TRANSFORMATION_JOB, run_id), transformation.to_json())
        self.put_object(job_report_key(KPI_JOB, run_id), create_kpi_report(run_id).to_json())
        for dataset in DATASETS:
            self.put_object(pinned_key(dataset, run_id), "pinned")

    def publish(self, run_id: str) -> str:
        """Add a publication record of a run, a minute after everything before it."""
        self._clock += timedelta(minutes=1)
        published_at = f"{self._clock:%Y-%m-%dT%H:%M:%S.%fZ}"
        key = publication_key(published_at, run_id)
        self.put_object(key, json.dumps({"run_id": run_id, "published_at": published_at}))
        return key

    def list_keys(self, prefix: str) -> list[str]:
        response = self.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for entry in response.get("Contents", [])]


class _Session:
    """A session of boto3 that shares its clients with all tests of this process.

    Creating one takes longer than most calls, and moto intercepts the calls of every client.
    """

    def __init__(
        self,
        fakes: Mapping[str, Any],
        profile_name: str | None = None,
        region_name: str | None = None,
    ) -> None:
        self._fakes = fakes
        real = _REAL_SESSION(profile_name=profile_name, region_name=region_name)
        self.region_name = real.region_name

    def client(self, service: str, config: Any = None) -> Any:
        # Without credentials, or in another region, a command must not get a working client.
        if not os.environ.get("AWS_ACCESS_KEY_ID") or self.region_name != REGION:
            create: Any = _REAL_SESSION(region_name=self.region_name).client
            return create(service, config=config)
        return self._fakes.get(service) or _create_client(service)


@cache
def _create_client(service: str) -> Any:
    create: Any = _REAL_SESSION(region_name=REGION).client
    return create(service)


class CommandLine:
    """Runs commands in this process, as `./run` does."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str) -> Result:
        """Run a command as it is."""
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_command(arguments)
        output = self._capsys.readouterr()
        code = ended.value.code
        return Result(code if isinstance(code, int) else 1, output.out, output.err)

    def on_aws(self, *arguments: str) -> Result:
        """Run a command on the stack."""
        return self(*arguments, "--stack", STACK, "--region", REGION)

    def answer(self, text: str | None) -> None:
        """Answer the next question, or have no terminal if there is no answer."""
        stdin = _Terminal(text)
        self._monkeypatch.setattr(sys, "stdin", stdin)


class _Terminal:
    def __init__(self, answer: str | None) -> None:
        self._answer = answer

    def isatty(self) -> bool:
        return self._answer is not None

    def readline(self) -> str:
        return f"{self._answer}\n"


@contextmanager
def operator_stack(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[OperatorStack]:
    """Simulate AWS with the stack, and a machine without a local cloud."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(local_clouds, "LOCAL_FOLDER", folder)
    monkeypatch.setattr(local_clouds, "CLOUD_FOLDER", folder / "cloud")
    with mock_aws():
        stack = OperatorStack(folder)
        monkeypatch.setattr(
            "cli.target.account.boto3.session.Session", partial(_Session, stack.fakes)
        )
        _create_resources(stack)
        yield stack


def _create_resources(stack: OperatorStack) -> None:
    s3 = stack.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    stack.client("dynamodb").create_table(
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
    role = stack.client("iam").create_role(RoleName="pipeline", AssumeRolePolicyDocument="{}")
    machine = stack.client("stepfunctions").create_state_machine(
        name=f"{STACK}-pipeline",
        roleArn=role["Role"]["Arn"],
        definition=json.dumps(
            {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}}}
        ),
    )["stateMachineArn"]
    topic = stack.client("sns").create_topic(Name="reports")["TopicArn"]
    parameters = {
        "PrimaryInstanceType": "m7g.xlarge",
        "WorkerInstanceType": "m7g.xlarge",
        "MaxWorkers": "10",
        "SpotPercent": "50",
        "MaxConcurrentRuns": "4",
        "LedgerRetentionDays": "90",
    }
    outputs = {
        "BucketName": BUCKET,
        "LedgerTableName": TABLE,
        "StateMachineArn": machine,
        "DatabaseName": "rental_kpi",
        "WorkgroupName": STACK,
        "TopicArn": topic,
        "WatchdogFunctionName": f"{STACK}-watchdog",
    }
    template = {
        "Parameters": {
            name: {"Type": "String", "Default": value} for name, value in parameters.items()
        },
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    stack.client("cloudformation").create_stack(StackName=STACK, TemplateBody=json.dumps(template))
