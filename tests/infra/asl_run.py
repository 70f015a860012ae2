"""A run on an example: what its states send, evaluated, and whether AWS would take it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from tests.infra import asl

RUN_ID = "2026-11-0123456789abcdef0123"
CONTEXT = {
    "Execution": {
        "Id": f"arn:aws:states:eu-west-1:123456789012:execution:rental-kpi-pipeline:{RUN_ID}",
        "Name": RUN_ID,
        "StartTime": "2026-11-23T19:00:31.123Z",
    }
}
INPUT = {
    "batch": "raw/2026-11/",
    "claimed_at": "2026-11-23T19:00:30.123456Z",
    "files": [{"dataset": "users", "key": "raw/2026-11/users.csv", "version_id": "v1"}],
}
GIB = 1024**3
FAILURE = {"state": "RunJobs", "error": "States.TaskFailed", "cause": "the step failed"}


class Run:
    """A run that has come as far as its jobs: the variables that every later state sees."""

    def __init__(self, size: float = 3 * GIB, **substitutions: str) -> None:
        self._states = asl.every_state(asl.definition(**substitutions))
        self.variables: dict[str, Any] = {}
        results = {"PinInputs": {"Payload": {"bytes": size}}, "CreateCluster": {"ClusterId": "j-1"}}
        for name in (
            "InitializeVariables",
            "RecordStarted",
            "PinInputs",
            "PlanCluster",
            "CreateCluster",
        ):
            self.variables |= self._evaluated(self._states[name]["Assign"], results.get(name))
        self.variables |= {"failure": FAILURE, "outcome": "PUBLISHED"}

    def arguments(self, name: str) -> Any:
        """What the state sends."""
        return self._evaluated(self._states[name]["Arguments"], None)

    def _evaluated(self, template: Any, result: Any) -> Any:
        return asl.evaluate(template, self.variables, input=INPUT, context=CONTEXT, result=result)


def problems(service: str, operation: str, parameters: Mapping[str, Any]) -> str:
    """What AWS's own model of the call finds wrong; empty if nothing is."""
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape
    assert shape is not None
    report: str = ParamValidator().validate(dict(parameters), shape).generate_report()
    return report
