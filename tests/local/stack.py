"""The deployed template on a local cloud: what tests do to it, and look at."""

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
    """The stack `name`; `outputs` are the template's."""

    cloud: Cloud
    name: str
    outputs: dict[str, str]
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def bucket(self) -> str:
        """The data bucket's name."""
        return self.outputs["BucketName"]

    @property
    def machine(self) -> str:
        """The state machine's ARN."""
        return self.outputs["StateMachineArn"]

    def client(self, service: str) -> Any:
        """A boto3 client as the account's root, one a service."""
        if service not in self._clients:
            self._clients[service] = self.cloud.client(service)
        return self._clients[service]

    def physical(self, logical_id: str) -> str:
        """The physical id of one of the template's resources."""
        found = self.client("cloudformation").describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def drop(self, folder: Path, batch: str) -> None:
        """Upload the folder's CSV files to `raw/<batch>/`, one after the other."""
        for file in sorted(folder.glob("*.csv")):
            self.client("s3").upload_file(str(file), self.bucket, f"raw/{batch}/{file.name}")

    def executions(self, batch: str) -> list[str]:
        """ARNs of the batch's executions, the newest first."""
        pages = self.client("stepfunctions").get_paginator("list_executions")
        return [
            execution["executionArn"]
            for page in pages.paginate(stateMachineArn=self.machine)
            for execution in page["executions"]
            if json.loads(self.describe(execution["executionArn"])["input"]).get("batch")
            == f"raw/{batch}/"
        ]

    def describe(self, execution_arn: str) -> dict[str, Any]:
        """DescribeExecution's answer."""
        answer: dict[str, Any] = self.client("stepfunctions").describe_execution(
            executionArn=execution_arn
        )
        return answer

    def wait_for_end(self, execution_arn: str, limit: float = 60.0) -> dict[str, Any]:
        """The execution when it is over; AssertionError if it is not within `limit` seconds."""
        assert wait_until(lambda: self.describe(execution_arn)["status"] != "RUNNING", limit), (
            f"{execution_arn} still runs, at {self.states(execution_arn)[-1:]}"
        )
        return self.describe(execution_arn)

    def wait_for_run(self, batch: str, limit: float = 60.0) -> dict[str, Any]:
        """The batch's first execution when it is over; AssertionError, each wait within `limit`."""
        assert wait_until(lambda: bool(self.executions(batch)), limit), f"no run of {batch}"
        return self.wait_for_end(self.executions(batch)[-1], limit)

    def start(self, name: str, batch: str = "none") -> str:
        """Start an execution past the ledger, of four files that are not there; its ARN."""
        words = json.loads((EVENTS / "pin_inputs.json").read_text())
        words |= {"batch": f"raw/{batch}/", "claimed_at": "2024-01-01T00:00:00.000000Z"}
        answer = self.client("stepfunctions").start_execution(
            stateMachineArn=self.machine, name=name, input=json.dumps(words)
        )
        return str(answer["executionArn"])

    def states(self, execution_arn: str) -> list[str]:
        """The states that the execution entered, in order, those of branches too."""
        pages = self.client("stepfunctions").get_paginator("get_execution_history")
        return [
            event["stateEnteredEventDetails"]["name"]
            for page in pages.paginate(executionArn=execution_arn)
            for event in page["events"]
            if "stateEnteredEventDetails" in event
        ]

    def log_of(self, function: str) -> str:
        """All that a function has logged; `function` as in `receive-upload`."""
        pages = self.client("logs").get_paginator("filter_log_events")
        return "\n".join(
            event["message"]
            for page in pages.paginate(logGroupName=f"/aws/lambda/{self.name}-{function}")
            for event in page["events"]
        )

    def mails(self) -> list[EmailMessage]:
        """The mails in the mailbox, in order of their files' names."""
        parse = BytesParser(EmailMessage, policy=policy.default).parsebytes
        return [parse(file.read_bytes()) for file in sorted(self.cloud.mailbox_folder.glob("*.eml"))]

    @contextmanager
    def without(self, role: str, sid: str) -> Iterator[None]:
        """Take the statement out of the role, a logical id, for as long as the block runs."""
        iam, name = self.client("iam"), self.physical(role)
        [policy_name] = iam.list_role_policies(RoleName=name)["PolicyNames"]
        document = iam.get_role_policy(RoleName=name, PolicyName=policy_name)["PolicyDocument"]
        left = [statement for statement in document["Statement"] if statement["Sid"] != sid]
        assert len(left) == len(document["Statement"]) - 1, f"{role} has no statement {sid}"

        def put(statements: list[dict[str, Any]]) -> None:
            iam.put_role_policy(
                RoleName=name,
                PolicyName=policy_name,
                PolicyDocument=json.dumps({**document, "Statement": statements}),
            )

        put(left)
        try:
            yield
        finally:
            put(document["Statement"])
