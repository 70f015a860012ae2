"""Small state machines and functions for tests of Step Functions."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from dataclasses import dataclass
from typing import Any

from local.cloud import Cloud
from tests.support.waiting import wait_until

State = dict[str, Any]
DENIED = "is not authorized to perform: {action} "
"""The part of an error message that names the denied action."""


@dataclass
class StateMachineFactory:
    """Creates state machines and functions, each with its own role, and runs them."""

    cloud: Cloud

    def create_role(self, name: str, service: str, statements: list[dict[str, Any]]) -> str:
        """Create a role that a service can assume, and return its ARN."""
        iam = self.cloud.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        response = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
        )
        if statements:
            document = {"Version": "2012-10-17", "Statement": statements}
            iam.put_role_policy(
                RoleName=name, PolicyName="permissions", PolicyDocument=json.dumps(document)
            )
        return str(response["Role"]["Arn"])

    def create_machine(
        self, name: str, states: dict[str, State], actions: tuple[str, ...] = (), **fields: Any
    ) -> str:
        """Create a state machine and return its ARN.

        Args:
            name: The name of the machine and of its role.
            states: The states. The machine starts at the first.
            actions: The actions that the role may perform on all resources.
            **fields: Further fields of the definition.
        """
        statements = [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]
        definition = {
            "QueryLanguage": "JSONata",
            "StartAt": next(iter(states)),
            "States": states,
            **fields,
        }
        response = self.cloud.client("stepfunctions").create_state_machine(
            name=name,
            definition=json.dumps(definition),
            roleArn=self.create_role(name, "states.amazonaws.com", statements if actions else []),
        )
        return str(response["stateMachineArn"])

    def start_execution(self, machine_arn: str) -> str:
        """Start an execution and return its ARN."""
        response = self.cloud.client("stepfunctions").start_execution(stateMachineArn=machine_arn)
        return str(response["executionArn"])

    def describe_execution(self, execution_arn: str) -> dict[str, Any]:
        """Return the response of DescribeExecution."""
        response: dict[str, Any] = self.cloud.client("stepfunctions").describe_execution(
            executionArn=execution_arn
        )
        return response

    def run(
        self, name: str, states: dict[str, State], actions: tuple[str, ...] = (), **fields: Any
    ) -> dict[str, Any]:
        """Create a state machine, run it to its end, and describe the execution.

        The arguments are those of `create_machine`.
        """
        execution_arn = self.start_execution(self.create_machine(name, states, actions, **fields))
        assert wait_until(lambda: self.describe_execution(execution_arn)["status"] != "RUNNING", 30)
        return self.describe_execution(execution_arn)

    def create_function(self, name: str, body: str) -> str:
        """Create a Lambda function with the body of its handler, and return its ARN."""
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            lines = "\n    ".join(body.splitlines())
            archive.writestr("function.py", f"def handler(event, context):\n    {lines}\n")
        response = self.cloud.client("lambda").create_function(
            FunctionName=name,
            Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
            Handler="function.handler",
            Timeout=10,
            Role=self.create_role(name, "lambda.amazonaws.com", []),
            Code={"ZipFile": package.getvalue()},
        )
        return str(response["FunctionArn"])


def build_task(resource: str, arguments: Any, **fields: Any) -> State:
    """Return a Task state, which ends the machine unless `fields` say otherwise."""
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{resource}",
        "Arguments": arguments,
        "TimeoutSeconds": 30,
        "End": True,
        **fields,
    }
