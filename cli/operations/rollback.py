"""The command `rollback`: publish an earlier run again, by one more publication record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from cli.exit_codes import CommandError
from cli.runs.publications import Publications, read_record
from cli.runs.run import Run
from cli.runs.run_reader import RunReader
from cli.target.target import Target
from contract.datasets import RENTALS
from contract.kpi_tables import KPI_TABLES
from contract.layout import kpi_prefix, publication_key
from contract.reports import TransformationReport
from contract.text import escape_control_characters
from local.errors import UserError
from pipeline.clock import utc_now
from pipeline.publication.publication_records import PublicationRecords


@dataclass(frozen=True)
class Headline:
    """The headline numbers of a run.

    Attributes:
        run: The run.
        report: What it counted.
    """

    run: Run
    report: TransformationReport

    @property
    def revenue(self) -> Decimal:
        """The revenue of the accepted rentals."""
        return self.report.revenue

    @property
    def rentals(self) -> int:
        """The number of accepted rentals."""
        return self.report.datasets[RENTALS.name].accepted

    @property
    def rejected(self) -> int:
        """The number of rejected rentals."""
        return self.report.datasets[RENTALS.name].rejected


@dataclass(frozen=True)
class Rollback:
    """A rollback that can be carried out.

    Attributes:
        replaced: The run that readers see now.
        restored: The run that they will see.
        record: Content of the newest publication record of the restored run.
    """

    replaced: Headline
    restored: Headline
    record: dict[str, Any]


def plan_rollback(reader: RunReader, run: Run, publications: Publications) -> Rollback:
    """Check that readers can see a run again, and return the rollback.

    Raises:
        UserError: Readers see the run now, it was never published, or its tables are no longer
            kept.
    """
    records = publications.list_of_run(run.run_id)
    published = publications.published
    if not records or published is None:
        raise UserError(f"run {run.run_id} was never published, so readers cannot see it again")
    if published == run.run_id:
        raise UserError(f"readers see run {run.run_id} now")
    _check_tables(reader.target, run.run_id)
    return Rollback(
        _read_headline(reader, reader.find(published) or Run(published, "", "PUBLISHED")),
        _read_headline(reader, run),
        read_record(reader.target, records[-1].key),
    )


def write_rollback(target: Target, rollback: Rollback, reason: str) -> str:
    """Publish the run again: one object, which all tables change with.

    Args:
        target: The stack.
        rollback: The rollback.
        reason: Why, in the words of the caller.

    Returns:
        The key of the new publication record.

    Raises:
        CommandError: Another record was written at the same moment.
    """
    records = PublicationRecords(target.client("s3"), target.bucket)
    published_at = records.get_next_time(utc_now())
    key = publication_key(published_at, rollback.restored.run.run_id)
    content = {**rollback.record, "published_at": published_at, "rollback_reason": reason}
    if not records.write(key, json.dumps(content) + "\n"):
        raise CommandError(f"another run prevented {key}: run this command again")
    return key


def show_rollback(rollback: Rollback, console: Console) -> None:
    """Print the headline numbers that readers see now, and those that they will see then."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for column in ("run", "batch"):
        table.add_column(column, overflow="fold")
    for column in ("revenue", "rentals", "rejected"):
        table.add_column(column, justify="right")
    for name, headline in (("now", rollback.replaced), ("then", rollback.restored)):
        table.add_row(
            name,
            escape_control_characters(headline.run.run_id),
            escape_control_characters(headline.run.batch_name),
            f"{headline.revenue:,}",
            f"{headline.rentals:,}",
            f"{headline.rejected:,}",
        )
    console.print(table)


def _check_tables(target: Target, run_id: str) -> None:
    s3 = target.client("s3")
    for table in KPI_TABLES:
        prefix = f"{kpi_prefix(table, run_id)}/"
        if not s3.list_objects_v2(Bucket=target.bucket, Prefix=prefix, MaxKeys=1)["KeyCount"]:
            raise UserError(
                f"the table {table.name} of run {run_id} is no longer kept (OutputRetentionDays):"
                f" repeat the run instead, ./run rerun {run_id} {target.options}"
            )


def _read_headline(reader: RunReader, run: Run) -> Headline:
    report = reader.read_report(run.run_id)
    if report is None:
        raise UserError(f"the report of the transformation job of run {run.run_id} is missing")
    return Headline(run, report)
