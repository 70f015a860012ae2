"""Runs the state machine on MiniStack's engine, in this process, with scripted responses.

What this proves about AWS: an engine that we did not write executes the transitions, variables,
and JSONata expressions, and produces the requests. What it does not prove: waiting times and
jitter, which are scaled down, and that a Parallel state fails while its other branch is still
running, because MiniStack waits for both branches. MiniStack also ignores the Assign of a Parallel
state, so this module applies it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from pipeline.ledger.keys import RUN_SLOTS
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
"""The responses to each call, or functions that return them, in order. The last one repeats."""


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
        self._monkeypatch = monkeypatch
        self._responses: dict[str, list[Any]] = {}
        self._calls: list[tuple[str, Any]] = []
        monkeypatch.setattr(self._sfn, "_SFN_WAIT_SCALE", 0)
        monkeypatch.setattr(self._sfn, "_call_lambda", self._invoke_lambda)
        monkeypatch.setattr(self._sfn, "_resolve_lambda_function_ref", lambda arn, **_: arn)
        monkeypatch.setattr(self._sfn, "_emit_execution_status_event", lambda _: None)
        monkeypatch.setattr(
            self._sfn,
            "_run_parallel_branches",
            partial(self._run_parallel, self._sfn._run_parallel_branches),
        )
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
        machine = self._create_machine(name, responses)
        return self._wait_for_end(self._start(machine, RUN_ID, batch))

    def run_at_once(
        self,
        name: str,
        responses: Responses,
        batch: Mapping[str, Any],
        *,
        count: int,
        wait_scale: float,
    ) -> list[ExecutionResult]:
        """Run the state machine several times at the same time, and return the results.

        Args:
            name: The name of the scenario, which names the state machine.
            responses: The responses of the services, to all executions together.
            batch: The input of each execution.
            count: The number of executions.
            wait_scale: The real duration of a waiting time of one second.
        """
        self._monkeypatch.setattr(self._sfn, "_SFN_WAIT_SCALE", wait_scale)
        machine = self._create_machine(name, responses)
        executions = [self._start(machine, f"{RUN_ID}-{number}", batch) for number in range(count)]
        return [self._wait_for_end(execution) for execution in executions]

    def _create_machine(self, name: str, responses: Responses) -> str:
        self._responses = {call: list(sequence) for call, sequence in responses.items()}
        self._calls = []
        response = self._request(
            "CreateStateMachine",
            name=name.replace(" ", "-").replace(",", ""),
            definition=json.dumps(asl.load_definition()),
            roleArn="arn:aws:iam::123456789012:role/pipeline",
        )
        return str(response["stateMachineArn"])

    def _start(self, machine: str, run_id: str, batch: Mapping[str, Any]) -> str:
        response = self._request(
            "StartExecution", stateMachineArn=machine, name=run_id, input=json.dumps(batch)
        )
        return str(response["executionArn"])

    def _wait_for_end(self, execution: str) -> ExecutionResult:
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

    def _run_parallel(
        self, original: Callable[..., Any], state: Any, state_input: Any, execution: Any, ctx: Any
    ) -> Any:
        output, next_state = original(state, state_input, execution, ctx)
        self._sfn._apply_state_assign(state, state_input, ctx, result=output)
        return output, next_state

    def _respond(self, call: str, arguments: Any) -> Any:
        self._calls.append((call, arguments))
        remaining = self._responses[call]
        response = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if callable(response):
            response = response()
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
        if arguments["Key"]["id"]["S"] == RUN_SLOTS:
            return self._respond("take slot", arguments)
        values = arguments["ExpressionAttributeValues"]
        return self._respond(f"ledger {values[':status']['S']}", arguments)
