"""Why a run failed, in plain English, from the errors of the state machine and its functions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pipeline.aws.executions import Execution
from pipeline.text import truncate

# The cause of a function's error is JSON. It may be truncated or followed by other text, so it is
# not parsed as a whole.
_ERROR_MESSAGE = re.compile(r'"errorMessage"\s*:\s*"((?:[^"\\]|\\.)*)')
# The Fail state of the state machine has the cause "<state>: <cause>".
_STATE_AND_CAUSE = re.compile(r"(?P<state>\w+): (?P<cause>.*)", re.DOTALL)
# RecordPublished fails with this cause after the run was published.
_UNRECORDED_STATUS = re.compile(
    r"RecordPublished: The run is (?P<status>PUBLISHED|SUPERSEDED|VERIFIED) "
)

_DESCRIPTIONS = {
    "States.Timeout": "The state timed out.",
    "States.TaskFailed": "The task failed.",
    "States.Permissions": "The role of the state machine lacks a permission.",
    "States.DataLimitExceeded": "The input or output of a state exceeded the size limit.",
    "States.Runtime": "The state machine failed with a runtime error.",
    "States.QueryEvaluationError": "An expression of the state machine could not be evaluated.",
    "Sandbox.Timedout": "The function timed out.",
    "Lambda.Unknown": (
        "The function ended without a response. It may have run out of time or memory."
    ),
}
# Other files are needed: another run with the same files would fail again.
_DATA_ERRORS = {"RunRejectedError", "InputMissingError"}


@dataclass(frozen=True)
class Failure:
    """An error that the state machine caught.

    Attributes:
        state: Name of the state that failed. Empty if unknown.
        error: Name of the error. Empty if there is none.
        cause: Cause of the error, unchanged. Empty if there is none.
    """

    state: str
    error: str
    cause: str

    @property
    def message(self) -> str:
        """The error and its cause in plain English, in one line of limited length."""
        description = _DESCRIPTIONS.get(self.error)
        cause = truncate(_extract_text(self.cause))
        if description:
            return f"{description} {cause}".strip()
        return f"{truncate(self.error)}: {cause}".strip(": ") or "No reason was given."

    @property
    def is_data_error(self) -> bool:
        """Whether the run needs other files, because it would fail again with the same ones."""
        return self.error in _DATA_ERRORS


def _extract_text(cause: str) -> str:
    """Return the readable text of a cause. It is empty for JSON without an error message."""
    if match := _ERROR_MESSAGE.search(cause):
        try:
            return str(json.loads(f'"{match[1]}"'))
        except ValueError:
            return match[1]
    return "" if cause.lstrip().startswith(("{", "[")) else cause


def get_failure(execution: Execution) -> Failure:
    """Return why an execution ended without success."""
    if execution.status == "ABORTED":
        reason = ": ".join(text for text in (execution.error, execution.cause) if text)
        return Failure("", "", "The execution was aborted" + (f": {reason}" if reason else "."))
    if execution.status == "TIMED_OUT":
        return Failure("", "", "The execution timed out.")
    match = _STATE_AND_CAUSE.fullmatch(execution.cause)
    if match is None:
        return Failure("", execution.error, execution.cause)
    return Failure(match["state"], execution.error, match["cause"])


def get_published_status(execution: Execution) -> str | None:
    """Return the status of the run if the execution has completed its publication.

    An execution whose only failure was in recording the status has also published its run.

    Returns:
        PUBLISHED, SUPERSEDED, or VERIFIED, or None if the run has no results yet or has failed.
    """
    if execution.status == "SUCCEEDED":
        return str(execution.output.get("status", "PUBLISHED"))
    match = _UNRECORDED_STATUS.match(execution.cause)
    return match["status"] if match and execution.status == "FAILED" else None
