"""The quality gate: decides from the job reports of a run whether it may be published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction

from contract.datasets import DATASETS, RENTALS
from contract.kpi_tables import KPI_TABLES, TRANSACTION_METRICS, KpiTable
from contract.layout import quarantine_prefix
from contract.reports import (
    KpiReport,
    TableTotals,
    TransformationReport,
    describe_no_accepted_rows,
    split_problems,
)
from pipeline.errors import RunRejectedError
from pipeline.publication.job_reports import JobReports


@dataclass(frozen=True)
class QualityFigures:
    """The figures of a run that passed the quality gate.

    Attributes:
        read_rentals: Number of rentals in the input.
        accepted_rentals: Number of accepted rentals.
        rejected_rentals: Number of rejected rentals.
        accepted_revenue: Revenue of the accepted rentals, with two decimal places.
    """

    read_rentals: int
    accepted_rentals: int
    rejected_rentals: int
    accepted_revenue: str

    @property
    def rejected_percent(self) -> str:
        """The rejected rentals as a percentage of all rentals, with two decimal places."""
        return str(_compute_percent(self.rejected_rentals, self.read_rentals))


def check_run(run_id: str, reports: JobReports, max_rejected_percent: Decimal) -> QualityFigures:
    """Check the job reports of a run.

    Args:
        run_id: ID of the run.
        reports: The reports of both jobs.
        max_rejected_percent: The largest percentage of rejected rentals that passes.

    Returns:
        The figures of the run.

    Raises:
        RunRejectedError: The run must not be published. The message names every problem.
    """
    transformation = reports.transformation
    problems = [
        *_check_identity(run_id, reports),
        *_check_datasets(transformation),
        *_check_tables(transformation, reports.kpis),
        *_check_rejected_rentals(transformation, max_rejected_percent),
    ]
    if problems:
        # Both reports can contain the same problem.
        raise RunRejectedError(f"run {run_id}: " + "; ".join(dict.fromkeys(problems)))
    rentals = transformation.datasets[RENTALS.name]
    return QualityFigures(
        rentals.read, rentals.accepted, rentals.rejected, transformation.accepted_revenue
    )


def _check_identity(run_id: str, reports: JobReports) -> Iterator[str]:
    for job, report in (("transformation", reports.transformation), ("KPI", reports.kpis)):
        if report.run_id != run_id:
            yield f"the report of the {job} job belongs to run {report.run_id}"
        yield from split_problems(report.problem)


def _check_datasets(report: TransformationReport) -> Iterator[str]:
    for dataset in DATASETS:
        counts = report.datasets.get(dataset.name)
        if counts is None:
            yield f"{dataset.name}: missing from the report of the transformation job"
            continue
        if counts.read != counts.accepted + counts.rejected:
            yield (
                f"{dataset.name}: {counts.read:,} rows were read, but {counts.accepted:,} were"
                f" accepted and {counts.rejected:,} rejected"
            )
        if not counts.accepted:
            yield describe_no_accepted_rows(dataset)
        # A rejected row has one or more reject reasons.
        reasons = sum(counts.reasons.values())
        if reasons < counts.rejected:
            yield (
                f"{dataset.name}: {counts.rejected:,} rows were rejected, but only {reasons:,}"
                " reject reasons were counted"
            )


def _check_tables(transformation: TransformationReport, kpis: KpiReport) -> Iterator[str]:
    rentals = transformation.datasets.get(RENTALS.name)
    for table in KPI_TABLES:
        totals = kpis.tables.get(table.name)
        if totals is None:
            yield f"{table.name}: missing from the report of the KPI job"
            continue
        if rentals is None:
            continue
        if totals.total_transactions != rentals.accepted:
            yield (
                f"{table.name}: contains {totals.total_transactions:,} rentals, but"
                f" {rentals.accepted:,} were accepted"
            )
        if totals.revenue != transformation.revenue:
            yield (
                f"{table.name}: contains a revenue of {totals.revenue:,}, but the accepted rentals"
                f" have {transformation.revenue:,}"
            )
        yield from _check_row_count(table, totals, rentals.accepted)


def _check_row_count(table: KpiTable, totals: TableTotals, accepted: int) -> Iterator[str]:
    """Yield a problem if the table has a row without rentals, or no row for its rentals.

    The table of all rentals has exactly one row.
    """
    is_total = table is TRANSACTION_METRICS
    minimum = 1 if is_total or accepted else 0
    maximum = 1 if is_total else accepted
    if not minimum <= totals.rows <= maximum:
        expected = f"{minimum:,}" if minimum == maximum else f"{minimum:,} to {maximum:,}"
        yield f"{table.name}: {totals.rows:,} rows instead of {expected}"


def _check_rejected_rentals(
    report: TransformationReport, max_rejected_percent: Decimal
) -> Iterator[str]:
    rentals = report.datasets.get(RENTALS.name)
    if rentals is None:
        return
    if not rentals.read:
        yield f"{RENTALS.file} contains no rows"
    elif Fraction(100 * rentals.rejected, rentals.read) > Fraction(max_rejected_percent):
        percent = _compute_percent(rentals.rejected, rentals.read)
        yield (
            f"{rentals.rejected:,} of {rentals.read:,} rentals were rejected ({percent}%), but the"
            f" limit is {max_rejected_percent.normalize():f}%: see the reject reasons in"
            f" {quarantine_prefix(RENTALS, report.run_id)}/"
        )


def _compute_percent(part: int, total: int) -> Decimal:
    """Return a percentage with two decimal places.

    It is rounded up, so that a value above a limit is never shown as equal to the limit.
    """
    return (Decimal(100 * part) / total).quantize(Decimal("0.01"), ROUND_CEILING)
