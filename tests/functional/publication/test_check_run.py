"""The quality gate: which runs pass, and the messages for those that do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contract.layout import KPI_JOB, TRANSFORMATION_JOB, job_report_key
from contract.reports import KpiReport, TableTotals, TransformationReport
from handlers.check_run import handler
from pipeline.errors import RunRejectedError
from tests.functional.conftest import Cloud, Context
from tests.support.events import load_event
from tests.support.runs import (
    KPI_ROW_COUNTS,
    RUN_ID,
    create_kpi_report,
    create_transformation_report,
    put_reports,
    replace_dataset_counts,
    replace_table_totals,
)

NO_ACCEPTED_RENTALS = "no accepted rentals: every row of rental_transactions.csv was rejected"
# The annotation replaces the one that the decorators leave, which requires a real context.
_handle: Callable[..., dict[str, Any]] = handler
EVENT = load_event("check_run")


@pytest.fixture(autouse=True)
def _set_limit(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Allow 25%: in the small run, one of four rentals is rejected."""
    monkeypatch.setenv("MAX_REJECTED_PERCENT", "25")


def _check() -> dict[str, Any]:
    return _handle(EVENT, Context())


def _create_reports(read: int, rejected: int) -> tuple[TransformationReport, KpiReport]:
    """Return the reports of a run with these numbers of rentals."""
    accepted = read - rejected
    transformation = replace_dataset_counts(
        create_transformation_report(),
        "rentals",
        read=read,
        accepted=accepted,
        rejected=rejected,
        reasons={"missing_user_id": rejected},
    )
    tables = {name: TableTotals(rows, accepted, "600.50") for name, rows in KPI_ROW_COUNTS.items()}
    return transformation, KpiReport(RUN_ID, tables)


def test_valid_run_passes_with_its_figures(cloud: Cloud) -> None:
    put_reports(cloud, create_transformation_report(), create_kpi_report())
    assert _check() == {
        "rejected_percent": "25.00",
        "accepted_revenue": "600.50",
        "accepted_rentals": 3,
    }


@pytest.mark.parametrize(
    ("limit", "read", "rejected", "percent"),
    [
        ("5", 20_000, 1_000, "5.00"),
        ("0.1", 1_000, 1, "0.10"),
        ("0", 10, 0, "0.00"),
        ("100", 10, 7, "70.00"),
    ],
)
def test_run_at_limit_passes(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    read: int,
    rejected: int,
    percent: str,
) -> None:
    monkeypatch.setenv("MAX_REJECTED_PERCENT", limit)
    put_reports(cloud, *_create_reports(read, rejected))
    assert _check()["rejected_percent"] == percent


@pytest.mark.parametrize(
    ("limit", "read", "rejected", "message"),
    [
        ("5", 20_000, 1_001, r"1,001 of 20,000 rentals were rejected \(5\.01%\)"),
        (
            "5",
            10**9,
            5 * 10**7 + 1,
            r"50,000,001 of 1,000,000,000 rentals were rejected \(5\.01%\)",
        ),
        ("0.1", 999, 1, r"the limit is 0\.1%: see the reject reasons in quarantine/rentals/"),
        ("0", 10**6, 1, r"\(0\.01%\), but the limit is 0%:"),
    ],
)
def test_run_one_rental_above_limit_is_rejected(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    read: int,
    rejected: int,
    message: str,
) -> None:
    monkeypatch.setenv("MAX_REJECTED_PERCENT", limit)
    put_reports(cloud, *_create_reports(read, rejected))
    with pytest.raises(RunRejectedError, match=message):
        _check()


Change = Callable[[TransformationReport, KpiReport], tuple[TransformationReport, KpiReport]]
INCONSISTENT: dict[str, tuple[Change, str]] = {
    "transformation report of another run": (
        lambda t, k: (replace(t, run_id="other"), k),
        "the report of the transformation job belongs to run other",
    ),
    "KPI report of another run": (
        lambda t, k: (t, replace(k, run_id="other")),
        "the report of the KPI job belongs to run other",
    ),
    "lost row": (
        lambda t, k: (replace_dataset_counts(t, "users", read=3), k),
        "users: 3 rows were read, but 2 were accepted and 0 rejected",
    ),
    "rejected row without a reason": (
        lambda t, k: (replace_dataset_counts(t, "locations", reasons={}), k),
        "locations: 1 rows were rejected, but only 0 reject reasons were counted",
    ),
    "missing dataset": (
        lambda t, k: (
            replace(t, datasets={n: c for n, c in t.datasets.items() if n != "rentals"}),
            k,
        ),
        "rentals: missing from the report of the transformation job",
    ),
    "missing table": (
        lambda t, k: (
            t,
            replace(k, tables={n: c for n, c in k.tables.items() if n != "daily_metrics"}),
        ),
        "daily_metrics: missing from the report of the KPI job",
    ),
    "lost rental": (
        lambda t, k: (t, replace_table_totals(k, "user_metrics", total_transactions=2)),
        "user_metrics: contains 2 rentals, but 3 were accepted",
    ),
    "lost cent": (
        lambda t, k: (t, replace_table_totals(k, "location_metrics", total_revenue="600.49")),
        "location_metrics: contains a revenue of 600.49, but the accepted rentals have 600.50",
    ),
    "two rows of totals": (
        lambda t, k: (t, replace_table_totals(k, "transaction_metrics", rows=2)),
        "transaction_metrics: 2 rows instead of 1",
    ),
    "more days than rentals": (
        lambda t, k: (t, replace_table_totals(k, "daily_metrics", rows=4)),
        "daily_metrics: 4 rows instead of 1 to 3",
    ),
    "no row for rentals": (
        lambda t, k: (t, replace_table_totals(k, "vehicle_metrics", rows=0)),
        "vehicle_metrics: 0 rows instead of 1 to 3",
    ),
}


@pytest.mark.parametrize("case", INCONSISTENT)
def test_run_with_inconsistent_reports_is_rejected(cloud: Cloud, case: str) -> None:
    change, message = INCONSISTENT[case]
    put_reports(cloud, *change(create_transformation_report(), create_kpi_report()))
    with pytest.raises(RunRejectedError) as raised:
        _check()
    assert str(raised.value) == f"run {RUN_ID}: {message}"


def test_large_revenues_are_compared_to_the_cent(cloud: Cloud) -> None:
    """As floats, the two amounts would be equal."""
    kpis = create_kpi_report()
    tables = {
        name: replace(totals, total_revenue="9007199254740993.01")
        for name, totals in kpis.tables.items()
    }
    transformation = replace(create_transformation_report(), accepted_revenue="9007199254740993.02")
    put_reports(cloud, transformation, replace(kpis, tables=tables))
    with pytest.raises(RunRejectedError, match=r"9,007,199,254,740,993\.01"):
        _check()


def test_message_names_all_problems(cloud: Cloud) -> None:
    transformation = replace_dataset_counts(create_transformation_report("other"), "users", read=3)
    put_reports(
        cloud, transformation, replace_table_totals(create_kpi_report(), "daily_metrics", rows=9)
    )
    with pytest.raises(RunRejectedError) as raised:
        _check()
    assert str(raised.value).count(";") == 2


@pytest.mark.parametrize(("read", "rejected"), [(0, 0), (4, 4)])
def test_run_without_accepted_rentals_is_rejected(cloud: Cloud, read: int, rejected: int) -> None:
    transformation, _ = _create_reports(read, rejected)
    tables = {name: TableTotals(0, 0, "0.00") for name in KPI_ROW_COUNTS}
    tables["transaction_metrics"] = TableTotals(1, 0, "0.00")
    put_reports(
        cloud,
        replace(transformation, accepted_revenue="0.00", problem=NO_ACCEPTED_RENTALS),
        KpiReport(RUN_ID, tables, NO_ACCEPTED_RENTALS),
    )
    with pytest.raises(RunRejectedError) as raised:
        _check()
    assert str(raised.value).count(NO_ACCEPTED_RENTALS) == 1
    assert ("rental_transactions.csv contains no rows" in str(raised.value)) == (read == 0)


@pytest.mark.parametrize("is_reported", [False, True])
@pytest.mark.parametrize("names", [["users"], ["vehicles"], ["locations"], ["users", "locations"]])
def test_run_without_accepted_rows_of_a_dimension_is_rejected(
    cloud: Cloud, names: list[str], *, is_reported: bool
) -> None:
    """The gate counts itself: all rentals would be valid, with an unknown dimension."""
    report = create_transformation_report()
    problems = [f"no accepted {name}: every row of {name}.csv was rejected" for name in names]
    for name in names:
        reasons = {"malformed_row": 300}
        report = replace_dataset_counts(
            report, name, read=300, accepted=0, rejected=300, reasons=reasons
        )
    if is_reported:
        report = replace(report, problem="; ".join(problems))
    put_reports(cloud, report, create_kpi_report())
    with pytest.raises(RunRejectedError) as raised:
        _check()
    assert str(raised.value) == f"run {RUN_ID}: " + "; ".join(problems)


def test_run_with_reported_problem_is_rejected(cloud: Cloud) -> None:
    put_reports(
        cloud, create_transformation_report(), replace(create_kpi_report(), problem="a problem")
    )
    with pytest.raises(RunRejectedError, match="a problem"):
        _check()


def test_missing_job_report_is_named(cloud: Cloud) -> None:
    with pytest.raises(RunRejectedError) as raised:
        _check()
    assert "the transformation job did not finish: it wrote no report to" in str(raised.value)
    assert "the KPI job did not finish: it wrote no report to" in str(raised.value)
    cloud.put(
        job_report_key(TRANSFORMATION_JOB, RUN_ID),
        create_transformation_report().to_json().encode(),
    )
    with pytest.raises(RunRejectedError) as raised:
        _check()
    assert str(raised.value).startswith(
        f"run {RUN_ID}: the KPI job did not finish: it wrote no report"
    )


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"run_id": "x", "tables": {"t": {"rows": 1}}}', "\xff"]
)
def test_invalid_job_report_is_named(cloud: Cloud, text: str) -> None:
    cloud.put(
        job_report_key(TRANSFORMATION_JOB, RUN_ID),
        create_transformation_report().to_json().encode(),
    )
    cloud.put(job_report_key(KPI_JOB, RUN_ID), text.encode("latin-1"))
    with pytest.raises(RunRejectedError, match="is not a valid report of the KPI job"):
        _check()


def test_amount_in_other_format_is_invalid(cloud: Cloud) -> None:
    put_reports(
        cloud, replace(create_transformation_report(), accepted_revenue="6e2"), create_kpi_report()
    )
    with pytest.raises(RunRejectedError, match="'6e2' is not an amount with two decimal places"):
        _check()


def test_parsed_report_equals_written_report() -> None:
    transformation = replace(create_transformation_report(), problem="a problem")
    kpis = replace(create_kpi_report(), problem="a problem")
    assert TransformationReport.from_json(transformation.to_json()) == transformation
    assert KpiReport.from_json(kpis.to_json()) == kpis
    assert TransformationReport.from_json(create_transformation_report().to_json()).problem is None
