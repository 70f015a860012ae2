"""Whether a run may be published: its reports against each other and against the quality limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction

from contract.datasets import DATASETS, RENTALS
from contract.kpi_tables import KPI_TABLES, TRANSACTION_METRICS, KpiTable
from contract.reports import KpiReport, TableTotals, TransformationReport
from pipeline.errors import RunRejectedError
from pipeline.publication.job_reports import JobReports


@dataclass(frozen=True)
class QualityFigures:
    """The figures of a run that may be published; `accepted_revenue` has two decimals."""

    read_rentals: int
    accepted_rentals: int
    rejected_rentals: int
    accepted_revenue: str

    @property
    def rejected_percent(self) -> str:
        """Percent of the rentals read, with two decimals."""
        return str(_percent(self.rejected_rentals, self.read_rentals))


def check_run(run_id: str, reports: JobReports, limit_percent: Decimal) -> QualityFigures:
    """The run's figures if nothing speaks against it; else RunRejectedError with every problem.

    `limit_percent` of the rentals read may have been rejected, and not one more.
    """
    transformation = reports.transformation
    problems = [
        *_identity_problems(run_id, reports),
        *_dataset_problems(transformation),
        *_table_problems(transformation, reports.kpis),
        *_quality_problems(transformation, limit_percent),
    ]
    if problems:
        # Both reports may name the same problem.
        raise RunRejectedError(f"run {run_id}: " + "; ".join(dict.fromkeys(problems)))
    rentals = transformation.datasets[RENTALS.name]
    return QualityFigures(
        rentals.read, rentals.accepted, rentals.rejected, transformation.accepted_revenue
    )


def _identity_problems(run_id: str, reports: JobReports) -> Iterator[str]:
    for name, report in (("transformation", reports.transformation), ("KPI", reports.kpis)):
        if report.run_id != run_id:
            yield f"the {name} job's report is of run {report.run_id}"
        if report.problem is not None:
            yield report.problem


def _dataset_problems(report: TransformationReport) -> Iterator[str]:
    for dataset in DATASETS:
        counts = report.datasets.get(dataset.name)
        if counts is None:
            yield f"{dataset.name}: not in the transformation's report"
            continue
        if counts.read != counts.accepted + counts.rejected:
            yield (
                f"{dataset.name}: {counts.read:,} rows read, but {counts.accepted:,} accepted and"
                f" {counts.rejected:,} rejected"
            )
        # A row may be rejected for several reasons, but for none it cannot be.
        reasons = sum(counts.reasons.values())
        if reasons < counts.rejected:
            yield (
                f"{dataset.name}: {counts.rejected:,} rejected, but the reasons add up to"
                f" {reasons:,} only"
            )


def _table_problems(transformation: TransformationReport, kpis: KpiReport) -> Iterator[str]:
    rentals = transformation.datasets.get(RENTALS.name)
    for table in KPI_TABLES:
        totals = kpis.tables.get(table.name)
        if totals is None:
            yield f"{table.name}: not in the KPI job's report"
            continue
        if rentals is None:
            continue
        if totals.total_transactions != rentals.accepted:
            yield (
                f"{table.name}: holds {totals.total_transactions:,} rentals, but"
                f" {rentals.accepted:,} were accepted"
            )
        if totals.revenue != transformation.revenue:
            yield (
                f"{table.name}: adds up to {totals.revenue:,}, but {transformation.revenue:,} was"
                " accepted"
            )
        yield from _row_problems(table, totals, rentals.accepted)


def _row_problems(table: KpiTable, totals: TableTotals, accepted: int) -> Iterator[str]:
    """Each row stands for one rental at least; all rentals together are one row."""
    is_total = table is TRANSACTION_METRICS
    least = 1 if is_total or accepted else 0
    most = 1 if is_total else accepted
    if not least <= totals.rows <= most:
        wanted = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        yield f"{table.name}: {totals.rows:,} rows instead of {wanted}"


def _quality_problems(report: TransformationReport, limit_percent: Decimal) -> Iterator[str]:
    rentals = report.datasets.get(RENTALS.name)
    if rentals is None:
        return
    if not rentals.read:
        yield "no rental was read"
    elif Fraction(100 * rentals.rejected, rentals.read) > Fraction(limit_percent):
        yield (
            f"{rentals.rejected:,} of {rentals.read:,} rentals were rejected,"
            f" {_percent(rentals.rejected, rentals.read)} percent; the limit is"
            f" {limit_percent.normalize():f} percent"
        )


def _percent(part: int, whole: int) -> Decimal:
    """Rounded up, so that what is above a limit never reads as if it were at it."""
    return (Decimal(100 * part) / whole).quantize(Decimal("0.01"), ROUND_CEILING)
