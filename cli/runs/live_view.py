"""Show the states of an execution while it runs.

On a terminal, this is a table that updates itself. Elsewhere, it is one line for each state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.runs.states import DONE, RUNNING, STOPPED, State, read_states
from cli.target.polling import poll

_STYLES = {RUNNING: "cyan", DONE: "green", STOPPED: "yellow"}
_ERROR_STYLE = "bold red"
_ACTIVE_STATUSES = {"RUNNING", "PENDING_REDRIVE"}
_POLL_SECONDS = 0.3
_WATCH_TIMEOUT = 4 * 3600.0  # seconds


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
        WaitTimeoutError: The execution did not end within `timeout` seconds.
    """
    title = f"Run {execution_arn.rpartition(':')[2]}"
    with _open_view(title, console) as update_view:

        def ask() -> dict[str, Any]:
            # In this order, the history of an execution that has ended is complete.
            description: dict[str, Any] = stepfunctions.describe_execution(
                executionArn=execution_arn
            )
            update_view(read_states(stepfunctions, execution_arn))
            return description

        return poll(
            ask,
            lambda description: description["status"] not in _ACTIVE_STATUSES,
            seconds=poll_seconds,
            timeout=timeout,
            description=f"{title} did not end",
        )


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
