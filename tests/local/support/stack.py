"""The deployed template on a local cloud, with the actions and queries that tests need."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from local.cloud import PROJECT_ROOT, Cloud
from tests.support.waiting import wait_until

EVENTS = PROJECT_ROOT / "events"


@dataclass
class Stack:
    """A deployed stack and its outputs."""

    cloud: Cloud
    name: str
    outputs: dict[str, str]
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def bucket(self) -> str:
        """The name of the data bucket."""
        return self.outputs["BucketName"]

    @property
    def state_machine_arn(self) -> str:
        """The ARN of the state machine."""
        return self.outputs["StateMachineArn"]

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service, which acts as the account's root user."""
        if service not in self._clients:
            self._clients[service] = self.cloud.client(service)
        return self._clients[service]

    def get_physical_id(self, logical_id: str) -> str:
        """Return the physical ID of a resource of the template."""
        response = self.client("cloudformation").describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        return str(response["StackResourceDetail"]["PhysicalResourceId"])

    def upload_batch(self, folder: Path, batch: str) -> None:
        """Upload the CSV files of a folder to `raw/<batch>/`, one after the other."""
        for file in sorted(folder.glob("*.csv")):
            self.client("s3").upload_file(str(file), self.bucket, f"raw/{batch}/{file.name}")

    def list_executions(self, batch: str) -> list[str]:
        """Return the ARNs of a batch's executions, newest first."""
        pages = self.client("stepfunctions").get_paginator("list_executions")
        return [
            execution["executionArn"]
            for page in pages.paginate(stateMachineArn=self.state_machine_arn)
            for execution in page["executions"]
            if json.loads(self.describe_execution(execution["executionArn"])["input"]).get("batch")
            == f"raw/{batch}/"
        ]

    def describe_execution(self, execution_arn: str) -> dict[str, Any]:
        """Return the response of DescribeExecution."""
        response: dict[str, Any] = self.client("stepfunctions").describe_execution(
            executionArn=execution_arn
        )
        return response

    def wait_for_execution(self, execution_arn: str, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until an execution has ended, for at most `timeout` seconds, and describe it."""
        assert wait_until(
            lambda: self.describe_execution(execution_arn)["status"] != "RUNNING", timeout
        ), f"{execution_arn} is still running, in {self.get_entered_states(execution_arn)[-1:]}"
        return self.describe_execution(execution_arn)

    def wait_for_run(self, batch: str, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until the first execution of a batch has started and ended, and describe it.

        The timeout, in seconds, applies to the start and to the end separately.
        """
        assert wait_until(lambda: bool(self.list_executions(batch)), timeout), f"no run of {batch}"
        return self.wait_for_execution(self.list_executions(batch)[-1], timeout)

    def start_execution(self, name: str, batch: str = "none") -> str:
        """Start an execution for four files that do not exist, and return its ARN.

        The ledger does not know this run.
        """
        execution_input = json.loads((EVENTS / "pin_inputs.json").read_text())
        execution_input |= {
            "batch": f"raw/{batch}/",
            "claimed_at": "2024-01-01T00:00:00.000000Z",
        }
        response = self.client("stepfunctions").start_execution(
            stateMachineArn=self.state_machine_arn, name=name, input=json.dumps(execution_input)
        )
        return str(response["executionArn"])

    def get_entered_states(self, execution_arn: str) -> list[str]:
        """Return the states that an execution entered, in order, including those of branches."""
        pages = self.client("stepfunctions").get_paginator("get_execution_history")
        return [
            event["stateEnteredEventDetails"]["name"]
            for page in pages.paginate(executionArn=execution_arn)
            for event in page["events"]
            if "stateEnteredEventDetails" in event
        ]

    def read_log(self, function: str) -> str:
        """Return the complete log of a function, such as `receive-upload`."""
        pages = self.client("logs").get_paginator("filter_log_events")
        return "\n".join(
            event["message"]
            for page in pages.paginate(logGroupName=f"/aws/lambda/{self.name}-{function}")
            for event in page["events"]
        )

    def read_emails(self) -> list[EmailMessage]:
        """Return the emails in the mailbox, oldest first."""
        parse = BytesParser(EmailMessage, policy=policy.default).parsebytes
        files = sorted(self.cloud.mailbox_folder.glob("*.eml"))
        return [parse(file.read_bytes()) for file in files]

    @contextmanager
    def with_variables(self, function: str, **variables: str) -> Iterator[None]:
        """Change environment variables of a function, a logical ID, during the block."""
        client, name = self.client("lambda"), self.get_physical_id(function)
        configuration = client.get_function_configuration(FunctionName=name)
        original = configuration["Environment"]["Variables"]

        def put(values: dict[str, str]) -> None:
            client.update_function_configuration(
                FunctionName=name, Environment={"Variables": values}
            )

        put({**original, **variables})
        try:
            yield
        finally:
            put(original)

    @contextmanager
    def without_statement(self, role: str, sid: str) -> Iterator[None]:
        """Remove a statement from the policy of a role, a logical ID, during the block."""
        iam, name = self.client("iam"), self.get_physical_id(role)
        [policy_name] = iam.list_role_policies(RoleName=name)["PolicyNames"]
        document = iam.get_role_policy(RoleName=name, PolicyName=policy_name)["PolicyDocument"]
        remaining = [statement for statement in document["Statement"] if statement["Sid"] != sid]
        assert len(remaining) == len(document["Statement"]) - 1, f"{role} has no statement {sid}"

        def put(statements: list[dict[str, Any]]) -> None:
            iam.put_role_policy(
                RoleName=name,
                PolicyName=policy_name,
                PolicyDocument=json.dumps({**document, "Statement": statements}),
            )

        put(remaining)
        try:
            yield
        finally:
            put(document["Statement"])
