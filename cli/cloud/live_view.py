"""Show the states of an execution while it runs, from its history in Step Functions.

On a terminal, this is a table that updates itself. Elsewhere, it is one line for each state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

RUNNING, DONE, FAILED, STOPPED = "running", "done", "failed", "stopped"
_STYLES = {RUNNING: "cyan", DONE: "green", STOPPED: "yellow"}
_ERROR_STYLE = "bold red"
_HIDDEN_TYPES = {"Pass", "Choice"}  # they take no time, and the next state shows what they decided
_CONTAINER_TYPES = {"Parallel", "Map"}
_POLL_SECONDS = 0.3
_WATCH_TIMEOUT = 4 * 3600.0  # seconds


class WatchTimeoutError(Exception):
    """The execution is still running after the maximum time that a command watches it."""


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


def build_states_table(title: str, states: Iterable[State], now: datetime) -> Table:
    """Return a table of the states with their durations until `now`."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("state")
    table.add_column("started")
    table.add_column("seconds", justify="right")
    table.add_column("result")
    for state in states:
        table.add_row(
            Text("  " * state.depth + state.name),
            f"{state.first_entered.astimezone():%H:%M:%S}",
            f"{state.seconds_at(now):.1f}",
            Text(state.description, style=_STYLES.get(state.result, _ERROR_STYLE)),
        )
    return table


class PlainView:
    """Prints one line for each state and result when the state ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: set[tuple[str, str]] = set()

    def update(self, states: Iterable[State]) -> None:
        """Print the states that have ended since the last update."""
        for state in states:
            if state.result == RUNNING or (state.name, state.result) in self._printed:
                continue
            self._printed.add((state.name, state.result))
            name = "  " * state.depth + state.name
            line = f"{name:30}{state.completed_seconds:8.1f} s  {state.result}"
            self._console.print(line, soft_wrap=True)


def watch_execution(
    stepfunctions: Any,
    execution_arn: str,
    console: Console,
    timeout: float = _WATCH_TIMEOUT,
    poll_seconds: float = _POLL_SECONDS,
) -> dict[str, Any]:
    """Show an execution until it ends.

    Args:
        stepfunctions: Step Functions client.
        execution_arn: ARN of the execution.
        console: Where to print.
        timeout: Maximum time to watch, in seconds.
        poll_seconds: Time between two updates, in seconds.

    Returns:
        The response of `DescribeExecution` after the end.

    Raises:
        WatchTimeoutError: The execution did not end within `timeout` seconds.
    """
    title = f"Run {execution_arn.rpartition(':')[2]}"
    with _open_view(title, console) as update_view:

        def poll() -> dict[str, Any]:
            # In this order, the history of an execution that has ended is complete.
            description: dict[str, Any] = stepfunctions.describe_execution(
                executionArn=execution_arn
            )
            update_view(list_states(_list_events(stepfunctions, execution_arn)))
            return description

        try:
            return Retrying(
                retry=retry_if_result(lambda description: description["status"] == "RUNNING"),
                wait=wait_fixed(poll_seconds),
                stop=stop_after_delay(timeout),
            )(poll)
        except RetryError:
            duration = timedelta(seconds=round(timeout))
            raise WatchTimeoutError(f"{title} is still running after {duration}") from None


@contextmanager
def _open_view(title: str, console: Console) -> Iterator[Callable[[list[State]], None]]:
    """Open a view for this console, and yield the function that updates it."""
    if not console.is_terminal:
        yield PlainView(console).update
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda states: live.update(
            build_states_table(title, states, datetime.now(UTC)), refresh=True
        )


def _list_events(stepfunctions: Any, execution_arn: str) -> list[Mapping[str, Any]]:
    pages = stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=execution_arn, includeExecutionData=False
    )
    return [event for page in pages for event in page["events"]]
