"""An example run: evaluates what its states send, and validates it against the AWS API models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from tests.infra.support import asl

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


class ExampleRun:
    """A run that has reached its jobs, with the variables that every later state reads."""

    def __init__(self, input_bytes: float = 3 * GIB, **substitutions: str) -> None:
        """Evaluate the states up to the jobs.

        Args:
            input_bytes: The size of the input that PinInputs returns.
            **substitutions: Values that replace those in `asl.SUBSTITUTIONS`.
        """
        self._states = asl.all_states(asl.load_definition(**substitutions))
        self.variables: dict[str, Any] = {}
        results = {
            "PinInputs": {"Payload": {"bytes": input_bytes}},
            "CreateCluster": {"ClusterId": "j-1"},
        }
        for name in (
            "InitializeVariables",
            "RecordStarted",
            "PinInputs",
            "PlanCluster",
            "CreateCluster",
        ):
            self.variables |= self._evaluate(self._states[name]["Assign"], results.get(name))
        self.variables |= {"failure": FAILURE, "run_status": "PUBLISHED"}

    def arguments(self, name: str) -> Any:
        """Return the arguments that the state sends."""
        return self._evaluate(self._states[name]["Arguments"], None)

    def _evaluate(self, template: Any, result: Any) -> Any:
        return asl.evaluate(template, self.variables, input=INPUT, context=CONTEXT, result=result)


def validation_errors(service: str, operation: str, parameters: Mapping[str, Any]) -> str:
    """Return the errors that the AWS API model reports for the parameters; empty if none."""
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape
    assert shape is not None
    report: str = ParamValidator().validate(dict(parameters), shape).generate_report()
    return report
