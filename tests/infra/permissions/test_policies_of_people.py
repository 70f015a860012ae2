"""The policies of readers and operators: exactly what the commands need.

Each command runs in moto, and every call that it makes is compared with the policies. Which
permission a call needs is looked up in the Service Authorization Reference.
"""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient

from contract.kpi_tables import KPI_TABLES
from contract.layout import kpi_prefix
from sample_data import write_sample
from tests.infra.support.intrinsics import ACCOUNT, REGION, resolve
from tests.infra.support.template import as_list, resource
from tests.support.aws_calls import Perform, intercept_calls
from tests.support.operator_stack import (
    BUCKET,
    STACK,
    TABLE,
    CommandLine,
    OperatorStack,
    operator_stack,
)

# MiniStack has no type annotations.
_iam = importlib.import_module("ministack.core.iam_evaluator")

READER, OPERATOR = "ReaderPolicy", "OperatorPolicy"
CLUSTER = "j-1"
MAX_POLICY_CHARACTERS = 6144  # of a managed policy, without white space (IAM User Guide, quotas)

# What Athena and S3 do on behalf of the caller, which no call of a command shows.
ON_BEHALF = {
    "athena:StartQueryExecution",
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "glue:CreateDatabase",
    "glue:GetDatabase",
    "glue:GetDatabases",
    "glue:GetTable",
    "glue:GetTables",
    "glue:GetPartition",
    "glue:GetPartitions",
    "glue:BatchGetPartition",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "s3:AbortMultipartUpload",
    "s3:GetBucketLocation",
    "s3:ListBucketMultipartUploads",
    "s3:ListMultipartUploadParts",
}


@dataclass(frozen=True)
class Permission:
    """What a call needs: an action on a resource, with the condition keys of the request."""

    action: str
    resource: str
    keys: Mapping[str, str | list[str]] = field(default_factory=dict)


def get_permissions(service: str, operation: str, arguments: Mapping[str, Any]) -> list[Permission]:
    """Return the permissions that a call needs. An unknown call is an error."""
    if service == "s3":
        return [_get_s3_permission(operation, arguments)]
    if service == "dynamodb":
        return [_get_dynamodb_permission(operation, arguments)]
    arn = f"arn:aws:{{}}:{REGION}:{ACCOUNT}:{{}}".format
    states = {
        "ListExecutions": arguments.get("stateMachineArn"),
        "StartExecution": arguments.get("stateMachineArn"),
        "DescribeExecution": arguments.get("executionArn"),
        "GetExecutionHistory": arguments.get("executionArn"),
        "StopExecution": arguments.get("executionArn"),
    }
    own_cluster = {"elasticmapreduce:ResourceTag/stack": STACK}
    others = {
        ("sts", "GetCallerIdentity"): [],  # needs no permission
        ("cloudformation", "DescribeStacks"): [
            Permission(
                "cloudformation:DescribeStacks",
                arn("cloudformation", f"stack/{arguments.get('StackName')}/id"),
            )
        ],
        ("lambda", "Invoke"): [Permission("lambda:InvokeFunction", "WatchdogFunction.Arn")],
        ("emr", "ListClusters"): [Permission("elasticmapreduce:ListClusters", "*")],
        ("emr", "DescribeCluster"): [
            Permission(
                "elasticmapreduce:DescribeCluster",
                arn("elasticmapreduce", f"cluster/{arguments.get('ClusterId')}"),
            )
        ],
        ("emr", "TerminateJobFlows"): [
            Permission(
                "elasticmapreduce:TerminateJobFlows",
                arn("elasticmapreduce", f"cluster/{cluster}"),
                own_cluster,
            )
            for cluster in arguments.get("JobFlowIds", [])
        ],
    }
    if service == "stepfunctions":
        return [Permission(f"states:{operation}", str(states[operation]))]
    return others[service, operation]


def _get_s3_permission(operation: str, arguments: Mapping[str, Any]) -> Permission:
    assert arguments["Bucket"] == BUCKET
    if operation == "ListObjectsV2":
        return Permission("s3:ListBucket", "DataBucket.Arn")
    target = f"DataBucket.Arn/{arguments['Key']}"
    if operation == "PutObject":
        return Permission("s3:PutObject", target)
    assert operation in {"GetObject", "HeadObject"}
    version = "Version" if "VersionId" in arguments else ""
    return Permission(f"s3:GetObject{version}", target)


def _get_dynamodb_permission(operation: str, arguments: Mapping[str, Any]) -> Permission:
    if operation == "Query":
        return Permission("dynamodb:Query", f"LedgerTable.Arn/index/{arguments['IndexName']}")
    if operation == "GetItem":
        keys = [arguments["Key"]]
    else:
        assert operation == "BatchGetItem"
        keys = arguments["RequestItems"][TABLE]["Keys"]
    leading_keys = [key["id"]["S"] for key in keys]
    return Permission(
        f"dynamodb:{operation}", "LedgerTable.Arn", {"dynamodb:LeadingKeys": leading_keys}
    )


def allows(policies: tuple[str, ...], permission: Permission) -> bool:
    """Return whether one of the policies allows what a call needs."""
    statements = [
        _iam.parse_policy_document(resolve(resource(policy)["PolicyDocument"]))
        for policy in policies
    ]
    context = _iam.EvalContext(
        principal_arn=f"arn:aws:iam::{ACCOUNT}:user/person",
        principal_type="User",
        principal_account=ACCOUNT,
        action=permission.action,
        resource_arn=permission.resource,
        region=REGION,
        secure_transport=True,
        service_context={key.lower(): value for key, value in permission.keys.items()},
    )
    return bool(_iam.evaluate(context, statements).decision == "Allow")


def list_actions(policy: str) -> set[str]:
    statements = resource(policy)["PolicyDocument"]["Statement"]
    return {action for statement in statements for action in as_list(statement["Action"])}


class Recorder:
    """Records what the calls of commands need."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, run: CommandLine) -> None:
        self.permissions: list[Permission] = []
        self._is_recording = False
        self._run = run
        self.cluster_name = ""
        intercept_calls(monkeypatch, self._handle)

    def __call__(self, *arguments: str) -> None:
        """Run a command, which must succeed."""
        self._is_recording = True
        result = self._run.on_aws(*arguments)
        self._is_recording = False
        assert result.exit_code == 0, result.stderr

    def _handle(
        self, perform: Perform, client: BaseClient, operation: str, arguments: dict[str, Any]
    ) -> Any:
        service = client.meta.service_model.service_name
        if self._is_recording:
            self.permissions += get_permissions(service, operation, arguments)
        answers: dict[str, Any] = {
            "Invoke": {"Payload": io.BytesIO(b'{"outcome": "Claimed"}')},
            "ListClusters": {"Clusters": [{"Id": CLUSTER, "Name": self.cluster_name}]},
            "DescribeCluster": {
                "Cluster": {
                    "Tags": [
                        {"Key": "stack", "Value": STACK},
                        {"Key": "run", "Value": self.cluster_name.removeprefix(f"{STACK} ")},
                    ]
                }
            },
            "TerminateJobFlows": {},
        }
        # moto does not run functions, and its clusters have no names of ours.
        return answers[operation] if operation in answers else perform(client, operation, arguments)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[OperatorStack]:
    """A stack with two published runs, a failed one, a batch, and a run in progress."""
    with operator_stack(monkeypatch, tmp_path / "local") as stack:
        for batch in ("a", "b"):
            run_id = stack.add_run(batch)
            for table in KPI_TABLES:
                stack.put_object(f"{kpi_prefix(table, run_id)}/part.parquet", "x")
        stack.add_run("c", status="FAILED")
        yield stack


@pytest.fixture
def record(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stack: OperatorStack
) -> Recorder:
    """Records the calls of commands after the stack is complete."""
    assert stack.list_keys("")
    return Recorder(monkeypatch, CommandLine(capsys, monkeypatch))


def run_reading_commands(record: Recorder) -> None:
    record("runs")
    record("runs", "--json", "--batch", "a")
    record("show", "failed")
    record("show", "published", "--against", "previous")
    record("watch", "a")
    record("rollback", "--dry-run")


def run_changing_commands(
    record: Recorder, stack: OperatorStack, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.operations.upload.show_results", lambda *_: None)
    monkeypatch.setattr(
        "cli.operations.watch.Watch.wait_for_run", lambda self, *_: self.find("published")
    )
    write_sample(folder, rentals=5, error_rate=0.0, seed=1)
    record("upload", str(folder), "--yes")
    record("start", "a", "--yes")
    record("rerun", "a", "--yes")
    record("rollback", "--yes")
    running = stack.add_run("d", status="RUNNING")
    record.cluster_name = f"{STACK} {running}"
    record("stop", running, "--yes")


def test_reader_can_run_every_reading_command(record: Recorder) -> None:
    run_reading_commands(record)
    assert [p for p in record.permissions if not allows((READER,), p)] == []


def test_operator_can_run_every_command(
    record: Recorder, stack: OperatorStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_reading_commands(record)
    run_changing_commands(record, stack, tmp_path / "in", monkeypatch)
    assert [p for p in record.permissions if not allows((READER, OPERATOR), p)] == []


def test_policies_allow_nothing_that_no_command_needs(
    record: Recorder, stack: OperatorStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_reading_commands(record)
    reading = {permission.action for permission in record.permissions}
    run_changing_commands(record, stack, tmp_path / "in", monkeypatch)
    used = {permission.action for permission in record.permissions}
    assert list_actions(READER) == reading | ON_BEHALF | {"s3:PutObject"}  # of query results
    # Uploads of large files have several parts.
    assert list_actions(OPERATOR) == (used - reading) | {"s3:GetObject", "s3:AbortMultipartUpload"}


@pytest.mark.parametrize(
    "permission",
    [
        Permission("s3:PutObject", "DataBucket.Arn/raw/a/users.csv"),
        Permission("s3:PutObject", "DataBucket.Arn/published_runs/x.json"),
        Permission("s3:GetObject", "DataBucket.Arn/raw/a/users.csv"),
        Permission("s3:GetObject", "DataBucket.Arn/output/users/run_id=x/part.parquet"),
        Permission("s3:GetObject", "DataBucket.Arn/quarantine/users/run_id=x/part.parquet"),
        Permission("lambda:InvokeFunction", "WatchdogFunction.Arn"),
        Permission(
            "dynamodb:GetItem", "LedgerTable.Arn", {"dynamodb:LeadingKeys": ["notification#x"]}
        ),
        Permission(
            "states:StartExecution",
            f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{STACK}-pipeline",
        ),
    ],
    ids=lambda permission: f"{permission.action} {permission.resource}",
)
def test_reader_changes_nothing_and_sees_no_personal_data(permission: Permission) -> None:
    assert not allows((READER,), permission)


@pytest.mark.parametrize(
    "permission",
    [
        Permission("s3:DeleteObject", "DataBucket.Arn/raw/a/users.csv"),
        Permission("s3:PutObject", "DataBucket.Arn/output/x"),
        Permission("s3:PutObject", "DataBucket.Arn/emr-scripts/x"),
        Permission("dynamodb:UpdateItem", "LedgerTable.Arn", {"dynamodb:LeadingKeys": ["run/x"]}),
        Permission(
            "elasticmapreduce:TerminateJobFlows",
            f"arn:aws:elasticmapreduce:{REGION}:{ACCOUNT}:cluster/{CLUSTER}",
            {"elasticmapreduce:ResourceTag/stack": "another"},
        ),
        Permission(
            "states:StartExecution", f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:another"
        ),
    ],
    ids=lambda permission: f"{permission.action} {permission.resource}",
)
def test_operator_changes_nothing_else(permission: Permission) -> None:
    assert not allows((READER, OPERATOR), permission)


@pytest.mark.parametrize("policy", [READER, OPERATOR])
def test_policy_is_within_the_limit_of_iam(policy: str) -> None:
    """The names of another account or stack can be longer than those of the example."""
    document = json.dumps(resolve(resource(policy)["PolicyDocument"]), separators=(",", ":"))
    assert len(document) < MAX_POLICY_CHARACTERS * 0.8
