"""Runs the state machine on MiniStack's engine, in this process, with scripted responses.

What this proves about AWS: an engine that we did not write executes the transitions, variables,
and JSONata expressions, and produces the requests. What it does not prove: waiting times and
jitter, which are scaled to zero, and that a Parallel state fails while its other branch is still
running, because MiniStack waits for both branches.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.infra.support import asl
from tests.support.waiting import wait_until

_EMR = "arn:aws:states:::elasticmapreduce:"
_GLUE = "arn:aws:states:::aws-sdk:glue:"
_DYNAMODB = "arn:aws:states:::dynamodb:updateItem"
RUN_ID = "2026-11-0123456789abcdef0123"


@dataclass(frozen=True)
class TaskError:
    """A response that fails the task."""

    name: str
    cause: str = "no reason given"


Responses = Mapping[str, Sequence[Any]]
"""The responses to each call, in order. The last response repeats."""


@dataclass
class ExecutionResult:
    """The result of an execution.

    Attributes:
        calls: The name and the arguments of every call, in order.
    """

    status: str
    error: str
    cause: str
    output: Any
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def arguments_of(self, call: str) -> list[Any]:
        """Return the arguments of each call with that name."""
        return [arguments for name, arguments in self.calls if name == call]


class Engine:
    """MiniStack's Step Functions engine, with scripted responses in place of the services."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # MiniStack has no type annotations.
        self._sfn = importlib.import_module("ministack.services.stepfunctions")
        self._responses: dict[str, list[Any]] = {}
        self._calls: list[tuple[str, Any]] = []
        monkeypatch.setattr(self._sfn, "_SFN_WAIT_SCALE", 0)
        monkeypatch.setattr(self._sfn, "_call_lambda", self._invoke_lambda)
        monkeypatch.setattr(self._sfn, "_resolve_lambda_function_ref", lambda arn, **_: arn)
        monkeypatch.setattr(self._sfn, "_emit_execution_status_event", lambda _: None)
        for prefix, handler in (
            (_EMR, self._call_emr),
            (_GLUE, self._call_glue),
            (_DYNAMODB, self._update_ledger),
        ):
            monkeypatch.setitem(self._sfn._SERVICE_DISPATCH, prefix, handler)

    def run(self, name: str, responses: Responses, batch: Mapping[str, Any]) -> ExecutionResult:
        """Run the state machine once and return the result.

        Args:
            name: The name of the scenario, which names the state machine.
            responses: The responses of the services.
            batch: The input of the execution.
        """
        self._responses = {call: list(sequence) for call, sequence in responses.items()}
        self._calls = []
        machine = self._request(
            "CreateStateMachine",
            name=name.replace(" ", "-"),
            definition=json.dumps(asl.load_definition()),
            roleArn="arn:aws:iam::123456789012:role/pipeline",
        )["stateMachineArn"]
        execution = self._request(
            "StartExecution", stateMachineArn=machine, name=RUN_ID, input=json.dumps(batch)
        )["executionArn"]

        def describe() -> Any:
            return self._request("DescribeExecution", executionArn=execution)

        assert wait_until(lambda: describe()["status"] != "RUNNING", timeout=20), self._calls
        description = describe()
        return ExecutionResult(
            description["status"],
            description.get("error", ""),
            description.get("cause", ""),
            json.loads(description.get("output") or "null"),
            self._calls,
        )

    def _request(self, action: str, **parameters: Any) -> Any:
        headers = {"x-amz-target": f"AWSStepFunctions.{action}"}
        status, _, body = asyncio.run(
            self._sfn.handle_request("POST", "/", headers, json.dumps(parameters), {})
        )
        assert status == 200, body
        return json.loads(body)

    def _respond(self, call: str, arguments: Any) -> Any:
        self._calls.append((call, arguments))
        remaining = self._responses[call]
        response = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if isinstance(response, TaskError):
            raise self._sfn._ExecutionError(response.name, response.cause)
        return response

    def _invoke_lambda(self, function: str, payload: Any) -> Any:
        return self._respond(function.rsplit(":", 1)[1], payload)

    def _call_emr(self, resource: str, arguments: Any) -> Any:
        action = resource.removeprefix(_EMR).removesuffix(".sync")
        step = arguments.get("Step", {}).get("Name")
        return self._respond(f"{action} {step}" if step else action, arguments)

    def _call_glue(self, resource: str, arguments: Any) -> Any:
        return self._respond(resource.removeprefix(_GLUE), arguments)

    def _update_ledger(self, _: str, arguments: Any) -> Any:
        values = arguments["ExpressionAttributeValues"]
        return self._respond(f"ledger {values[':status']['S']}", arguments)
