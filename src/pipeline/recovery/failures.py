"""Why a run failed, in plain words: the errors of the state machine and of its Lambdas."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pipeline.aws.executions import Execution
from pipeline.text import truncate

# A Lambda's cause is JSON. It may be cut off, or have words around it, so it is not parsed whole.
_ERROR_MESSAGE = re.compile(r'"errorMessage"\s*:\s*"((?:[^"\\]|\\.)*)')
# The state machine ends with the cause "<state>: <cause>".
_STATE = re.compile(r"(?P<state>\w+): (?P<cause>.*)", re.DOTALL)
_ONLY_UNNOTED = re.compile(r"RecordPublished: The run is (?P<status>PUBLISHED|SUPERSEDED) ")

_WORDS = {
    "States.Timeout": "It took longer than it may.",
    "States.TaskFailed": "The task failed.",
    "States.Permissions": "The state machine's role does not allow it.",
    "States.DataLimitExceeded": "A state's input or output became larger than may be.",
    "States.Runtime": "The state machine met something that it cannot work with.",
    "States.QueryEvaluationError": "An expression of the state machine could not be evaluated.",
    "Sandbox.Timedout": "The function ran longer than it may.",
    "Lambda.Unknown": "The function ended without an answer: out of time or of memory, perhaps.",
}
# What dropping other files mends, and running the same ones again does not.
_FAULTS_OF_DATA = {"RunRejectedError", "InputMissingError"}


@dataclass(frozen=True)
class Failure:
    """What the state machine caught: which state, the error's name and its cause as it came."""

    state: str
    error: str
    cause: str

    @property
    def message(self) -> str:
        """Error and cause in plain words, one bounded line."""
        words = _WORDS.get(self.error)
        said = truncate(_said(self.cause))
        if words:
            return f"{words} {said}".strip()
        return f"{self.error}: {said}".strip(": ") or "No reason was given."

    @property
    def is_of_data(self) -> bool:
        return self.error in _FAULTS_OF_DATA


def _said(cause: str) -> str:
    """The words in a cause; none of JSON without any, which is for machines."""
    if found := _ERROR_MESSAGE.search(cause):
        try:
            return str(json.loads(f'"{found[1]}"'))
        except ValueError:
            return found[1]
    return "" if cause.lstrip().startswith(("{", "[")) else cause


def failure_from_execution(execution: Execution) -> Failure:
    """Why an execution ended without success, from what it says itself."""
    if execution.status == "ABORTED":
        said = ": ".join(text for text in (execution.error, execution.cause) if text)
        words = "Somebody stopped the execution" + (f", and said: {said}" if said else ".")
        return Failure("", "", words)
    if execution.status == "TIMED_OUT":
        return Failure("", "", "The execution ran longer than it may, and Step Functions ended it.")
    found = _STATE.fullmatch(execution.cause)
    if found is None:
        return Failure("", execution.error, execution.cause)
    return Failure(found["state"], execution.error, found["cause"])


def published_status(execution: Execution) -> str | None:
    """PUBLISHED or SUPERSEDED if the run came to that; null if not, or not yet.

    So it did, too, where the execution failed at nothing but noting it.
    """
    if execution.status == "SUCCEEDED":
        return str(execution.output.get("status", "PUBLISHED"))
    unnoted = _ONLY_UNNOTED.match(execution.cause)
    return unnoted["status"] if unnoted and execution.status == "FAILED" else None
