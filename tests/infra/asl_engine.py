"""Runs the state machine on MiniStack's engine, in this process, with an answer for every call.

How far it proves AWS: ways, variables, JSONata and what is sent are judged by another engine than
our own reading. Not proved: waits and jitter, which are scaled to nothing; that a Parallel fails
while its other branch still runs, since MiniStack waits for both.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.infra import asl
from tests.support.waiting import wait_until

_EMR = "arn:aws:states:::elasticmapreduce:"
_GLUE = "arn:aws:states:::aws-sdk:glue:"
_DYNAMODB = "arn:aws:states:::dynamodb:updateItem"
RUN_ID = "2026-11-0123456789abcdef0123"


@dataclass(frozen=True)
class Error:
    """A call's answer that fails the task."""

    name: str
    cause: str = "no reason given"


Answers = Mapping[str, Sequence[Any]]
"""For each call its answers in turn; the last one is given again."""


@dataclass
class Ended:
    """How an execution ended, and every call that it made, in order, with what was sent."""

    status: str
    error: str
    cause: str
    output: Any
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def sent(self, call: str) -> list[Any]:
        """What was sent by each of the calls of that name."""
        return [arguments for name, arguments in self.calls if name == call]


class Engine:
    """MiniStack's Step Functions with every service behind it replaced by `answers`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # MiniStack has no types.
        self._sfn = importlib.import_module("ministack.services.stepfunctions")
        self._answers: dict[str, list[Any]] = {}
        self._calls: list[tuple[str, Any]] = []
        monkeypatch.setattr(self._sfn, "_SFN_WAIT_SCALE", 0)
        monkeypatch.setattr(self._sfn, "_call_lambda", self._lambda)
        monkeypatch.setattr(self._sfn, "_resolve_lambda_function_ref", lambda arn, **_: arn)
        monkeypatch.setattr(self._sfn, "_emit_execution_status_event", lambda _: None)
        for prefix, handler in ((_EMR, self._emr), (_GLUE, self._glue), (_DYNAMODB, self._ledger)):
            monkeypatch.setitem(self._sfn._SERVICE_DISPATCH, prefix, handler)

    def run(self, name: str, answers: Answers, batch: Mapping[str, Any]) -> Ended:
        """Run the state machine once, to its end."""
        self._answers = {call: list(in_turn) for call, in_turn in answers.items()}
        self._calls = []
        machine = self._request(
            "CreateStateMachine",
            name=name.replace(" ", "-"),
            definition=json.dumps(asl.definition()),
            roleArn="arn:aws:iam::123456789012:role/pipeline",
        )["stateMachineArn"]
        execution = self._request(
            "StartExecution", stateMachineArn=machine, name=RUN_ID, input=json.dumps(batch)
        )["executionArn"]

        def described() -> Any:
            return self._request("DescribeExecution", executionArn=execution)

        assert wait_until(lambda: described()["status"] != "RUNNING", limit=20), self._calls
        end = described()
        output = json.loads(end.get("output") or "null")
        return Ended(end["status"], end.get("error", ""), end.get("cause", ""), output, self._calls)

    def _request(self, action: str, **parameters: Any) -> Any:
        headers = {"x-amz-target": f"AWSStepFunctions.{action}"}
        status, _, body = asyncio.run(
            self._sfn.handle_request("POST", "/", headers, json.dumps(parameters), {})
        )
        assert status == 200, body
        return json.loads(body)

    def _answer(self, call: str, arguments: Any) -> Any:
        self._calls.append((call, arguments))
        in_turn = self._answers[call]
        answer = in_turn.pop(0) if len(in_turn) > 1 else in_turn[0]
        if isinstance(answer, Error):
            raise self._sfn._ExecutionError(answer.name, answer.cause)
        return answer

    def _lambda(self, function: str, payload: Any) -> Any:
        return self._answer(function.rsplit(":", 1)[1], payload)

    def _emr(self, resource: str, arguments: Any) -> Any:
        action = resource.removeprefix(_EMR).removesuffix(".sync")
        step = arguments.get("Step", {}).get("Name")
        return self._answer(f"{action} {step}" if step else action, arguments)

    def _glue(self, resource: str, arguments: Any) -> Any:
        return self._answer(resource.removeprefix(_GLUE), arguments)

    def _ledger(self, _: str, arguments: Any) -> Any:
        values = arguments["ExpressionAttributeValues"]
        return self._answer(f"ledger {values[':status']['S']}", arguments)
