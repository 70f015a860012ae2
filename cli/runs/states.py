"""The states of an execution, from its history in Step Functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

RUNNING, DONE, FAILED, STOPPED = "running", "done", "failed", "stopped"
_HIDDEN_TYPES = {"Pass", "Choice"}  # they take no time, and the next state shows what they decided
_CONTAINER_TYPES = {"Parallel", "Map"}


@dataclass
class State:
    """A state that the execution has entered at least once.

    Attributes:
        name: Name of the state.
        type: Type of the state in the Amazon States Language, such as `Task`.
        depth: Number of states that contain it.
        first_entered: Time of the first visit.
        last_entered: Time of the latest visit.
        visits: Number of visits.
        completed_seconds: Total duration of the visits that have ended.
        result: `RUNNING`, `DONE`, `FAILED`, `STOPPED`, or the name of the error that the state
            failed with or caught.
    """

    name: str
    type: str
    depth: int
    first_entered: datetime
    last_entered: datetime
    visits: int = 1
    completed_seconds: float = 0.0
    result: str = RUNNING

    def seconds_at(self, now: datetime) -> float:
        """Return the total duration of all visits until `now`."""
        current = (now - self.last_entered).total_seconds() if self.result == RUNNING else 0.0
        return self.completed_seconds + max(current, 0.0)

    def end_visit(self, at: datetime, result: str) -> None:
        """Record the end of the current visit."""
        self.completed_seconds = self.seconds_at(at)
        self.result = result

    @property
    def description(self) -> str:
        """The result, with the number of visits if there are several."""
        return f"{self.result} ({self.visits} times)" if self.visits > 1 else self.result


def list_states(events: Iterable[Mapping[str, Any]]) -> list[State]:
    """Return the states in an execution history, in the order in which they were entered.

    States that take no time are omitted.
    """
    history = _History()
    for event in events:
        history.add(event)
    return [state for state in history.states.values() if state.type not in _HIDDEN_TYPES]


class _History:
    """The states of an execution, updated one event at a time."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {}
        self._running: list[State] = []
        # By state: the error of the latest attempt. The state may still be retried.
        self._errors: dict[str, str] = {}
        self._states_by_event: dict[int, str] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Update the states with the next event."""
        event_type, at = event["type"], event["timestamp"]
        state_name = self._get_state_name(event)
        if event_type.endswith("StateEntered"):
            state_name = event["stateEnteredEventDetails"]["name"]
            self._enter(state_name, event_type.removesuffix("StateEntered"), at)
        elif event_type.endswith("StateExited"):
            self._exit(event["stateExitedEventDetails"]["name"], at)
            state_name = None
        elif event_type in {"ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}:
            for state in self._running:
                default_result = FAILED if state.type == "Fail" else STOPPED
                state.end_visit(at, self._errors.get(state.name, default_result))
            self._running = []
        elif state_name is not None and event_type.endswith(("Failed", "TimedOut")):
            self._errors[state_name] = _get_error(event)
        elif state_name is not None and event_type.endswith("Succeeded"):
            self._errors.pop(state_name, None)
        if state_name is not None:
            self._states_by_event[event["id"]] = state_name

    def _get_state_name(self, event: Mapping[str, Any]) -> str | None:
        """Return the state of an event, which is the state of the previous event.

        If the history does not link to the previous event, the state is known only if a single
        state is running.
        """
        if "previousEventId" in event:
            return self._states_by_event.get(event["previousEventId"])
        names = [state.name for state in self._running if state.type not in _CONTAINER_TYPES]
        return names[0] if len(names) == 1 else None

    def _enter(self, name: str, state_type: str, at: datetime) -> None:
        self._errors.pop(name, None)
        state = self.states.get(name)
        if state is None:
            depth = sum(running.type in _CONTAINER_TYPES for running in self._running)
            state = self.states[name] = State(name, state_type, depth, at, at)
        else:
            state.visits += 1
            state.last_entered, state.result = at, RUNNING
        self._running.append(state)

    def _exit(self, name: str, at: datetime) -> None:
        state = self.states[name]
        nested = [other for other in self._running if other.depth > state.depth]
        is_interrupted = state.type in _CONTAINER_TYPES and bool(nested)
        for other in nested if is_interrupted else []:
            other.end_visit(at, self._errors.get(other.name, STOPPED))
        state.end_visit(at, FAILED if is_interrupted else self._errors.get(name, DONE))
        ended = [state, *(nested if is_interrupted else [])]
        self._running = [other for other in self._running if other not in ended]


def _get_error(event: Mapping[str, Any]) -> str:
    for name, details in event.items():
        if name.endswith("EventDetails") and isinstance(details, Mapping):
            return str(details.get("error") or FAILED)
    return FAILED


def read_states(stepfunctions: Any, execution_arn: str) -> list[State]:
    """Return the states of an execution, in the order in which they were entered.

    Args:
        stepfunctions: Step Functions client.
        execution_arn: ARN of the execution, which must exist.
    """
    pages = stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=execution_arn, includeExecutionData=False
    )
    return list_states(event for page in pages for event in page["events"])
