"""Faults that occur in a state of the state machine, and the errors that they lead to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

ERROR = "error"
TIMEOUT = "timeout"
THROTTLE = "throttle"
LASTING_THROTTLE = "lasting throttle"
ABORT = "abort"
EXECUTION_TIMEOUT = "execution timeout"
KINDS = {
    ERROR: "Each call of the state fails with an error that is not retried.",
    TIMEOUT: "Each call of the state times out.",
    THROTTLE: "The first two calls of the state are throttled.",
    LASTING_THROTTLE: "Each call of the state is throttled.",
    ABORT: "The execution is stopped in the state.",
    EXECUTION_TIMEOUT: "The execution times out in the state.",
}
"""The kinds of faults. A state that calls nothing fails with an error that no Catch can see."""

BEFORE = "before"
AFTER = "after"
"""When a fault occurs: before the call takes effect, or after, so that its response is lost."""

_THROTTLED_CALLS = 2
# The names and causes with which Step Functions reports that a service has throttled a call. EMR's
# error has the same name as its other errors.
_THROTTLING_ERRORS = {
    "lambda": ("Lambda.TooManyRequestsException", "Rate Exceeded."),
    "dynamodb": ("DynamoDB.ThrottlingException", "Rate exceeded"),
    "elasticmapreduce": (
        "EMR.AmazonElasticMapReduceException",
        "Rate exceeded (Service: AmazonElasticMapReduce; Error Code: ThrottlingException)",
    ),
    "glue": ("Glue.ThrottlingException", "Rate exceeded"),
}


@dataclass(frozen=True)
class Fault:
    """A fault in one state of an execution.

    Attributes:
        state: The name of the state.
        kind: A key of `KINDS`.
        moment: `BEFORE` or `AFTER`.
    """

    state: str
    kind: str
    moment: str = BEFORE

    @property
    def label(self) -> str:
        """A short description, which is unique among the faults."""
        return f"{self.state}: {self.kind} ({self.moment})"

    @property
    def cause(self) -> str:
        """The text that the error of the fault contains."""
        return f"injected into {self.state}"

    def affects(self, call: int) -> bool:
        """Return whether the fault affects a call of the state, given its number from 1."""
        return self.kind != THROTTLE or call <= _THROTTLED_CALLS

    def get_error(self, resource: str) -> tuple[str, str]:
        """Return the name and the cause of the error that Step Functions would report.

        Args:
            resource: The resource of the state's task. Empty if the state calls nothing.
        """
        if self.kind == TIMEOUT:
            return "States.Timeout", self.cause
        if self.kind in (THROTTLE, LASTING_THROTTLE):
            error, cause = next(
                error for name, error in _THROTTLING_ERRORS.items() if f":{name}:" in resource
            )
            return error, f"{cause}, {self.cause}"
        return ("InjectedError" if resource else "States.Runtime"), self.cause

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON data."""
        return asdict(self)
