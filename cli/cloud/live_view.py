"""What an execution of the state machine is doing, while it does it.

Read from its history as Step Functions gives it. A table that changes on a terminal; one plain line
a state anywhere else.
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
_STYLES = {RUNNING: "cyan", DONE: "green", STOPPED: "yellow"}  # anything else is an error: red
_INSTANT = {"Pass", "Choice"}  # they only think; what they decide is seen by what follows
_CONTAINERS = {"Parallel", "Map"}
_POLL_SECONDS = 0.3
_LONGEST_RUN = 4 * 3600.0  # seconds


class StillRunningError(Exception):
    """The execution went on for longer than anybody watches."""


@dataclass
class State:
    """A state that was entered, once or several times.

    `seconds` counts its visits that are over. `result` is one of the words above, or the name of
    the error that it failed with or that it caught.
    """

    name: str
    kind: str
    depth: int
    started: datetime
    entered: datetime
    visits: int = 1
    seconds: float = 0.0
    result: str = RUNNING

    def seconds_at(self, now: datetime) -> float:
        """What it has taken by then."""
        under_way = (now - self.entered).total_seconds() if self.result == RUNNING else 0.0
        return self.seconds + max(under_way, 0.0)

    def end(self, at: datetime, result: str) -> None:
        """Note that the visit under way is over."""
        self.seconds = self.seconds_at(at)
        self.result = result

    @property
    def words(self) -> str:
        return f"{self.result} ({self.visits} times)" if self.visits > 1 else self.result


def states_of(events: Iterable[Mapping[str, Any]]) -> list[State]:
    """The states of a history, those without any work left out, in the order of their entry."""
    history = _History()
    for event in events:
        history.take(event)
    return [state for state in history.states.values() if state.kind not in _INSTANT]


class _History:
    """Events taken one by one, in their order."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {}
        self._open: list[State] = []
        self._errors: dict[str, str] = {}  # of tasks under way that failed: maybe they are retried
        self._owners: dict[int, str] = {}  # event -> the state in which it happened

    def take(self, event: Mapping[str, Any]) -> None:
        """Note what the event says."""
        kind, at = event["type"], event["timestamp"]
        owner = self._owner(event)
        if kind.endswith("StateEntered"):
            owner = event["stateEnteredEventDetails"]["name"]
            self._enter(owner, kind.removesuffix("StateEntered"), at)
        elif kind.endswith("StateExited"):
            self._exit(event["stateExitedEventDetails"]["name"], at)
            owner = None
        elif kind in {"ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}:
            for state in self._open:
                own = FAILED if state.kind == "Fail" else STOPPED
                state.end(at, self._errors.get(state.name, own))
            self._open = []
        elif owner is not None and kind.endswith(("Failed", "TimedOut")):
            self._errors[owner] = _error(event)
        elif owner is not None and kind.endswith("Succeeded"):
            self._errors.pop(owner, None)
        if owner is not None:
            self._owners[event["id"]] = owner

    def _owner(self, event: Mapping[str, Any]) -> str | None:
        """The state that an event belongs to: that of the event before it.

        Where a history does not say which that is, it can only be told when one state is under way.
        """
        if "previousEventId" in event:
            return self._owners.get(event["previousEventId"])
        under_way = [state.name for state in self._open if state.kind not in _CONTAINERS]
        return under_way[0] if len(under_way) == 1 else None

    def _enter(self, name: str, kind: str, at: datetime) -> None:
        self._errors.pop(name, None)
        state = self.states.get(name)
        if state is None:
            depth = sum(around.kind in _CONTAINERS for around in self._open)
            state = self.states[name] = State(name, kind, depth, at, at)
        else:
            state.visits += 1
            state.entered, state.result = at, RUNNING
        self._open.append(state)

    def _exit(self, name: str, at: datetime) -> None:
        state = self.states[name]
        within = [other for other in self._open if other.depth > state.depth]
        is_left_early = state.kind in _CONTAINERS and bool(within)
        for other in within if is_left_early else []:
            other.end(at, self._errors.get(other.name, STOPPED))
        result = FAILED if is_left_early else self._errors.get(name, DONE)
        state.end(at, result)
        ended = [state, *(within if is_left_early else [])]
        self._open = [other for other in self._open if other not in ended]


def _error(event: Mapping[str, Any]) -> str:
    for name, details in event.items():
        if name.endswith("EventDetails") and isinstance(details, Mapping):
            return str(details.get("error") or FAILED)
    return FAILED


def states_table(title: str, states: Iterable[State], now: datetime) -> Table:
    """The states with their times, as they stand at `now`."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("state")
    table.add_column("started")
    table.add_column("seconds", justify="right")
    table.add_column("result")
    for state in states:
        table.add_row(
            Text("  " * state.depth + state.name),
            f"{state.started.astimezone():%H:%M:%S}",
            f"{state.seconds_at(now):.1f}",
            Text(state.words, style=_STYLES.get(state.result, "bold red")),
        )
    return table


class Lines:
    """One line for each way in which a state ended, when it did."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[tuple[str, str]] = set()

    def show(self, states: Iterable[State]) -> None:
        """Print what is new."""
        for state in states:
            if state.result != RUNNING and (state.name, state.result) not in self._said:
                self._said.add((state.name, state.result))
                line = f"{'  ' * state.depth + state.name:30}{state.seconds:8.1f} s  {state.result}"
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def follow(
    stepfunctions: Any, execution_arn: str, console: Console, limit: float = _LONGEST_RUN
) -> dict[str, Any]:
    """Show an execution until it is over; what DescribeExecution says of it then.

    StillRunningError after `limit` seconds.
    """
    title = f"Run {execution_arn.rpartition(':')[2]}"
    with _display(title, console) as show:

        def look() -> dict[str, Any]:
            # In this order: the history of an execution that is over is whole.
            description: dict[str, Any] = stepfunctions.describe_execution(
                executionArn=execution_arn
            )
            show(states_of(_events(stepfunctions, execution_arn)))
            return description

        try:
            return Retrying(
                retry=retry_if_result(lambda description: description["status"] == "RUNNING"),
                wait=wait_fixed(_POLL_SECONDS),
                stop=stop_after_delay(limit),
            )(look)
        except RetryError:
            waited = timedelta(seconds=round(limit))
            raise StillRunningError(f"{title} is not over after {waited}") from None


@contextmanager
def _display(title: str, console: Console) -> Iterator[Callable[[list[State]], None]]:
    """What shows the states: once more each time that it is called."""
    if not console.is_terminal:
        yield Lines(console).show
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda states: live.update(
            states_table(title, states, datetime.now(UTC)), refresh=True
        )


def _events(stepfunctions: Any, execution_arn: str) -> list[Mapping[str, Any]]:
    pages = stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=execution_arn, includeExecutionData=False
    )
    return [event for page in pages for event in page["events"]]
