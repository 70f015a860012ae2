"""The command `watch`: follow a run until it ends, or a batch until its run does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from rich.console import Console

from cli.exit_codes import NoResultsError
from cli.runs.batch_names import parse_batch_prefix
from cli.runs.live_view import watch_execution
from cli.runs.run import WAITING, Run
from cli.runs.run_lookup import find_run
from cli.runs.run_reader import RunReader
from cli.target.polling import poll
from cli.target.target import Target
from contract.datasets import DATASETS
from contract.text import escape_control_characters
from local.errors import UserError
from pipeline.ledger.batch_item import Batch
from pipeline.ledger.batch_ledger import BatchLedger


@dataclass
class Watch:
    """What a command follows, within a limit of time.

    Attributes:
        target: The stack.
        console: Where to print progress.
        timeout: Maximum time for everything, in seconds.
    """

    target: Target
    console: Console
    timeout: float
    _started: float = field(default_factory=time.monotonic)
    _printed: str = ""

    @property
    def reader(self) -> RunReader:
        """A reader that knows nothing yet: what a reader has read, it does not read again."""
        return RunReader(self.target)

    def find(self, text: str) -> Run:
        """Return the run that a text names, or wait for the run of a batch that it names.

        A batch that has files since its last run names the run that they will start.

        Raises:
            UserError: The text names neither, or the batch cannot start a run as it is.
            WaitTimeoutError: No run has started in time.
        """
        prefix = parse_batch_prefix(text)
        if prefix is not None and self._get_batch(prefix).files:
            return self.wait_for_next_run(prefix)
        return find_run(self.reader, text)

    def wait_for_next_run(self, prefix: str) -> Run:
        """Wait until the files of a batch have become a run, and return it."""
        known = {run.run_id for run in self.reader.list_newest_first() if run.batch == prefix}

        def find() -> Run | None:
            runs = self.reader.list_newest_first()
            return next((r for r in runs if r.batch == prefix and r.run_id not in known), None)

        return self._wait(prefix, find)

    def wait_for_run(self, prefix: str, run_id: str) -> Run:
        """Wait until a run that is known by its files has an item or an execution."""
        return self._wait(prefix, lambda: self.reader.find(run_id))

    def _wait(self, prefix: str, find: Callable[[], Run | None]) -> Run:
        def ask() -> Run | None:
            run = find()
            if run is None:
                self._print_batch(self._get_batch(prefix))
            return run

        run = poll(
            ask,
            lambda run: run is not None,
            seconds=self.target.account.poll_seconds,
            timeout=self._get_remaining(),
            description=f"no run started for batch {prefix}",
        )
        return cast("Run", run)  # it is not None: poll has just checked that

    def follow(self, run: Run) -> Run:
        """Show the states of a run until it ends, and return it as it has ended.

        Raises:
            WaitTimeoutError: It has not ended in time.
        """
        run_id = run.run_id
        if run.status == WAITING:
            self._print(f"{run_id} waits until fewer runs are in progress")
            poll(
                lambda: self.reader.describe_execution(run_id),
                lambda description: description is not None,
                seconds=self.target.account.poll_seconds,
                timeout=self._get_remaining(),
                description=f"run {run_id} did not start",
            )
        if not run.has_ended:
            watch_execution(
                self.target.client("stepfunctions"),
                self.target.get_execution_arn(run_id),
                self.console,
                timeout=self._get_remaining(),
                poll_seconds=self.target.account.poll_seconds,
            )
        return self.reader.find(run_id) or run

    def _get_batch(self, prefix: str) -> Batch:
        return BatchLedger(self.target.ledger).get_batch(prefix)

    def _get_remaining(self) -> float:
        return max(0.0, self.timeout - (time.monotonic() - self._started))

    def _print_batch(self, batch: Batch) -> None:
        if batch.held_run:
            raise UserError(
                f"batch {batch.prefix} is held, because its files were uploaded too far apart: if"
                f" they belong together, ./run start {batch.prefix} {self.target.options}"
            )
        self._print(describe_batch(batch))

    def _print(self, text: str) -> None:
        """Print a text unless it is the same as the last one."""
        if text != self._printed:
            self._printed = text
            self.console.print(text, soft_wrap=True)


def describe_batch(batch: Batch) -> str:
    """Return what a batch waits for, one line for each file.

    The names and problems come from uploads, and are escaped.
    """
    lines = [f"Waiting for batch {escape_control_characters(batch.prefix)}"]
    for dataset in DATASETS:
        if dataset.name in batch.rejected:
            problems = escape_control_characters(batch.rejected[dataset.name].problems)
            state = f"rejected: {problems}"
        elif dataset.name in batch.files:
            state = "valid"
        else:
            state = "missing"
        lines.append(f"  {dataset.file}: {state}")
    return "\n".join(lines)


def show_end(run: Run, console: Console, target: Target) -> None:
    """Print how a run has ended.

    Raises:
        NoResultsError: It has ended without results.
    """
    hint = f"./run show {run.run_id} {target.options}"
    if not run.has_results:
        raise NoResultsError(f"run {run.run_id} ended without results: {hint}")
    console.print(f"Run {run.run_id}: {run.status}. {hint}", soft_wrap=True)
