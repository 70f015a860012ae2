"""Publication by functions that are killed between two AWS calls, and what readers see meanwhile.

The functions are real; moto and `FakeAthena` stand for AWS. A function can only change AWS with a
call, so a kill between two calls has the same effect as one after the first or before the second
call: there is one *position* before each call, and one after the last. While a function is at a
position, other functions can run from beginning to end, or until they are killed themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pytest
from botocore.client import BaseClient

from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from contract.layout import PUBLISHED_RUNS_PREFIX
from local.extensions.athena.sql import translate
from tests.functional.conftest import Cloud, simulated_cloud
from tests.support.athena import FakeAthena
from tests.support.aws_calls import Crash, Perform, intercept_calls
from tests.support.publishing import publish, read_objects
from tests.support.retry_clock import RetryClock
from tests.support.runs import KPI_ROW_COUNTS, finish_run

# For each table, a column whose value is different in each run.
_MARKED_TEXT = {
    "users": "first_name",
    "vehicles": "brand",
    "locations": "city",
    "rentals": "dropoff_location",
}
_MARKED_NUMBER = "average_transaction"
_TABLES = [table.name for table in (*DATASETS, *KPI_TABLES)]
_ROW_COUNTS = {"users": 2, "vehicles": 2, "locations": 2, "rentals": 3} | KPI_ROW_COUNTS


@dataclass(frozen=True)
class RunToPublish:
    """A run whose jobs have completed and whose tables are cataloged.

    Attributes:
        run_id: The run ID.
        day: Day of November 2026 on which the run was claimed. Also marks the rows of the run.
        is_test: Whether the run only verifies the deployment.
    """

    run_id: str
    day: int
    is_test: bool = False

    @property
    def claimed_at(self) -> str:
        """The time of the claim."""
        return f"2026-11-{self.day:02}T08:00:00.000000Z"

    @property
    def marker(self) -> str:
        """The value of the marked columns in each row of the run."""
        return f"{self.day}.00"


PositionHook = Callable[[int], None]
"""Called at each position of a function, with the number of its calls so far. May raise `Crash`."""


@dataclass
class _Invocation:
    run: RunToPublish
    on_position: PositionHook
    operations: list[str] = field(default_factory=list)


@dataclass
class PublishingSystem:
    """The publishing function in a simulated account, and its readers.

    Readers are checked after each call that can change what they see.

    Attributes:
        cloud: The simulated account.
        athena: Athena, with the tables of all runs.
        seen_runs: The runs that readers have seen, in order.
        counts: How often each thing happened.
        violations: The promises that were broken.
    """

    cloud: Cloud
    athena: FakeAthena
    runs: Collection[RunToPublish]
    seen_runs: list[RunToPublish] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    _sent_emails: Counter[str] = field(default_factory=Counter)
    _expected_emails: Counter[str] = field(default_factory=Counter)
    _active: list[_Invocation] = field(default_factory=list)

    def invoke(
        self, run: RunToPublish, on_position: PositionHook = lambda _: None
    ) -> dict[str, Any] | None:
        """Invoke the publishing function.

        Args:
            run: The run to publish.
            on_position: What happens at the positions of the function.

        Returns:
            The response of the function, or None if it was killed.
        """
        self.counts["invocations"] += 1
        self._expected_emails[run.run_id] = max(1, self._expected_emails[run.run_id])
        invocation = _Invocation(run, on_position)
        self._active.append(invocation)
        try:
            on_position(0)
            # A retry would wait until the remaining time of a killed function is over.
            response = publish(run.run_id, run.claimed_at, remaining_ms=-1, is_test=run.is_test)
        except Crash:
            self.counts["kills"] += 1
            # The email was sent, but the ledger does not know it yet.
            self._expected_emails[run.run_id] += invocation.operations[-1:] == ["Publish"]
            return None
        finally:
            self._active.pop()
        self._check_response(run, response)
        return response

    @property
    def operations(self) -> list[str]:
        """The calls so far of the function that is running."""
        return list(self._active[-1].operations)

    def add_record(self, run: RunToPublish, published_at: str) -> None:
        """Publish an earlier run again as an operator does, by adding a record."""
        text = f'{{"run_id": "{run.run_id}", "published_at": "{published_at}"}}\n'
        self.cloud.put(f"{PUBLISHED_RUNS_PREFIX}rollback.json", text.encode())
        self._check_readers(has_new_record=True)

    def check_end(self, published: RunToPublish | None) -> None:
        """Check the state after all functions have ended.

        Args:
            published: The run that readers must see.
        """
        if self.seen_runs[-1:] != ([published] if published else []):
            self._report(f"readers see {self.seen_runs[-1:]}, expected {published}")
        if self._sent_emails != self._expected_emails:
            self._report(f"emails: {self._sent_emails}, expected {self._expected_emails}")
        if len(self.cloud.emails()) != self._sent_emails.total():
            self._report("an email is missing")

    def call(
        self, perform: Perform, client: BaseClient, operation: str, arguments: dict[str, Any]
    ) -> Any:
        """Perform an AWS call, and let happen what happens after it."""
        if not self._active:
            return perform(client, operation, arguments)
        invocation = self._active[-1]
        response = perform(client, operation, arguments)
        self.counts["calls"] += 1
        invocation.operations.append(operation)
        if operation == "Publish":
            self._sent_emails[invocation.run.run_id] += 1
        if operation == "PutObject" and arguments["Key"].startswith(PUBLISHED_RUNS_PREFIX):
            self._check_readers(has_new_record=True)
        elif operation == "StartQueryExecution" and "VIEW" in arguments["QueryString"]:
            self._check_readers(has_new_record=False)
        invocation.on_position(len(invocation.operations))
        return response

    def _check_readers(self, *, has_new_record: bool) -> None:
        self.counts["checks of what readers see"] += 1
        if has_new_record:
            with self._without_counting():
                self.athena.read_publication_records()
        rows = _read_views(self.athena.database)
        markers = {marker for _, marker in rows}
        visible = next((run for run in self.runs if {run.marker} == markers), None)
        complete = {(table, visible.marker): _ROW_COUNTS[table] for table in _TABLES if visible}
        if rows != complete:
            self._report(f"readers see {rows}")
        elif visible and visible not in self.seen_runs[-1:]:
            if self.seen_runs and visible.day < self.seen_runs[-1].day and self._active:
                self._report(f"readers see {visible} after {self.seen_runs[-1]}")
            self.seen_runs.append(visible)
        elif not visible and self.seen_runs:
            self._report(f"readers see nothing after {self.seen_runs[-1]}")

    def _check_response(self, run: RunToPublish, response: dict[str, Any]) -> None:
        match response["status"]:
            case "PUBLISHED":
                key = response["record_key"]
                with self._without_counting():
                    record = read_objects(self.cloud, key).get(key)
                if not record or run not in self.seen_runs:
                    self._report(f"{run} was never visible: {response}")
            case "SUPERSEDED":
                if self.seen_runs[-1].day <= run.day:
                    self._report(f"{run} superseded by {self.seen_runs[-1]}: {response}")
            case "VERIFIED":
                if not run.is_test or run in self.seen_runs:
                    self._report(f"{run} is a test: {response}")

    @contextmanager
    def _without_counting(self) -> Iterator[None]:
        """Let the test itself call AWS. Its calls are no calls of the function that is running."""
        active, self._active = self._active, []
        yield
        self._active = active

    def _report(self, violation: str) -> None:
        calls = [f"{each.run.run_id} after {len(each.operations)} calls" for each in self._active]
        self.violations.append(f"{violation} ({', '.join(calls) or 'no function is running'})")


@contextmanager
def publishing_system(runs: Collection[RunToPublish]) -> Iterator[PublishingSystem]:
    """Simulate an account in which the tables of runs are cataloged, during the block."""
    with pytest.MonkeyPatch.context() as patch, simulated_cloud(patch) as cloud:
        RetryClock().install(patch)
        athena = FakeAthena(cloud.bucket)
        athena.install(patch)
        for run in runs:
            finish_run(cloud, athena, run.run_id, average=run.marker)
            for table, column in _MARKED_TEXT.items():
                # The names are constants of this module.
                athena.database.execute(
                    f"UPDATE history_{table} SET {column} = ? WHERE run_id = ?",  # noqa: S608
                    [run.marker, run.run_id],
                )
        system = PublishingSystem(cloud, athena, runs)
        intercept_calls(patch, system.call)
        patch.setattr("tests.support.athena.translate", _translate_once)
        yield system


_translations: dict[tuple[str, tuple[str, ...]], str] = {}


def _translate_once(
    text: str, parameters: Sequence[str], database: duckdb.DuckDBPyConnection
) -> str:
    """Translate SQL as `FakeAthena` does. All simulated accounts have the same tables."""
    key = (text, tuple(parameters))
    if key not in _translations:
        _translations[key] = translate(text, parameters, database)
    return _translations[key]


def _read_views(database: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
    """Return the number of rows in each view with each marker."""
    views = database.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    queries = [  # the names are those of the views that `publish_results` created
        f"SELECT '{view}', CAST({_MARKED_TEXT.get(view, _MARKED_NUMBER)} AS varchar), COUNT(*)"  # noqa: S608
        f" FROM {view} GROUP BY ALL"
        for (view,) in views
    ]
    if not queries:
        return {}
    rows = database.execute(" UNION ALL ".join(queries)).fetchall()
    return {(table, marker): count for table, marker, count in rows}


def kill_at(number: int) -> PositionHook:
    """Return a hook that kills the function at a position."""

    def kill(position: int) -> None:
        if position == number:
            raise Crash

    return kill
