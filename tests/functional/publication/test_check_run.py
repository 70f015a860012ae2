"""What check_run lets pass, and all that it refuses, in words that say what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contract.layout import KPI_JOB, TRANSFORMATION_JOB, job_report_key
from contract.reports import NO_ACCEPTED_RENTALS, KpiReport, TableTotals, TransformationReport
from handlers.check_run import handler
from pipeline.errors import RunRejectedError
from tests.functional.conftest import Cloud, Context
from tests.support.events import load_event
from tests.support.runs import (
    ROWS_OF_KPIS,
    RUN,
    changed_dataset,
    changed_table,
    kpi_report,
    put_reports,
    transformation_report,
)

# The decorators hide the types, or do not: Lambda gives a context of its own in any case.
_handle: Callable[..., dict[str, Any]] = handler
EVENT = load_event("check_run")


@pytest.fixture(autouse=True)
def _limit(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """One rental of the small run's four is rejected."""
    monkeypatch.setenv("MAX_REJECTED_PERCENT", "25")


def _check() -> dict[str, Any]:
    return _handle(EVENT, Context())


def _rentals(read: int, rejected: int) -> tuple[TransformationReport, KpiReport]:
    """Reports of a run with so many rentals."""
    accepted = read - rejected
    transformation = changed_dataset(
        transformation_report(),
        "rentals",
        read=read,
        accepted=accepted,
        rejected=rejected,
        reasons={"missing_user_id": rejected},
    )
    tables = {name: TableTotals(rows, accepted, "600.50") for name, rows in ROWS_OF_KPIS.items()}
    return transformation, KpiReport(RUN, tables)


def test_a_good_run_passes_with_its_figures(cloud: Cloud) -> None:
    put_reports(cloud, transformation_report(), kpi_report())
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
def test_at_the_limit_passes(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    read: int,
    rejected: int,
    percent: str,
) -> None:
    monkeypatch.setenv("MAX_REJECTED_PERCENT", limit)
    put_reports(cloud, *_rentals(read, rejected))
    assert _check()["rejected_percent"] == percent


@pytest.mark.parametrize(
    ("limit", "read", "rejected", "words"),
    [
        ("5", 20_000, 1_001, "1,001 of 20,000 rentals were rejected, 5.01 percent"),
        ("5", 10**9, 5 * 10**7 + 1, "50,000,001 of 1,000,000,000 rentals were rejected, 5.01 "),
        ("0.1", 999, 1, "the limit is 0.1 percent"),
        ("0", 10**6, 1, "0.01 percent; the limit is 0 percent"),
    ],
)
def test_one_rental_above_the_limit_is_refused(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, limit: str, read: int, rejected: int, words: str
) -> None:
    monkeypatch.setenv("MAX_REJECTED_PERCENT", limit)
    put_reports(cloud, *_rentals(read, rejected))
    with pytest.raises(RunRejectedError, match=words):
        _check()


Change = Callable[[TransformationReport, KpiReport], tuple[TransformationReport, KpiReport]]
WRONG: dict[str, tuple[Change, str]] = {
    "another run's rows": (
        lambda t, k: (replace(t, run_id="other"), k),
        "the transformation job's report is of run other",
    ),
    "another run's KPIs": (
        lambda t, k: (t, replace(k, run_id="other")),
        "the KPI job's report is of run other",
    ),
    "a lost row": (
        lambda t, k: (changed_dataset(t, "users", read=3), k),
        "users: 3 rows read, but 2 accepted and 0 rejected",
    ),
    "a rejection without reason": (
        lambda t, k: (changed_dataset(t, "locations", reasons={}), k),
        "locations: 1 rejected, but the reasons add up to 0 only",
    ),
    "a missing dataset": (
        lambda t, k: (
            replace(t, datasets={n: c for n, c in t.datasets.items() if n != "rentals"}),
            k,
        ),
        "rentals: not in the transformation's report",
    ),
    "a missing table": (
        lambda t, k: (
            t,
            replace(k, tables={n: c for n, c in k.tables.items() if n != "daily_metrics"}),
        ),
        "daily_metrics: not in the KPI job's report",
    ),
    "a lost rental": (
        lambda t, k: (t, changed_table(k, "user_metrics", total_transactions=2)),
        "user_metrics: holds 2 rentals, but 3 were accepted",
    ),
    "a lost cent": (
        lambda t, k: (t, changed_table(k, "location_metrics", total_revenue="600.49")),
        "location_metrics: adds up to 600.49, but 600.50 was accepted",
    ),
    "two totals": (
        lambda t, k: (t, changed_table(k, "transaction_metrics", rows=2)),
        "transaction_metrics: 2 rows instead of 1",
    ),
    "more days than rentals": (
        lambda t, k: (t, changed_table(k, "daily_metrics", rows=4)),
        "daily_metrics: 4 rows instead of 1 to 3",
    ),
    "no row for the rentals": (
        lambda t, k: (t, changed_table(k, "vehicle_metrics", rows=0)),
        "vehicle_metrics: 0 rows instead of 1 to 3",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_figures_that_disagree_are_refused(cloud: Cloud, case: str) -> None:
    change, words = WRONG[case]
    put_reports(cloud, *change(transformation_report(), kpi_report()))
    with pytest.raises(RunRejectedError) as refusal:
        _check()
    assert str(refusal.value) == f"run {RUN}: {words}"


def test_large_revenues_are_compared_to_the_cent(cloud: Cloud) -> None:
    """As floats the two would be the same."""
    kpis = kpi_report()
    tables = {
        name: replace(totals, total_revenue="9007199254740993.01")
        for name, totals in kpis.tables.items()
    }
    job_report_key = replace(transformation_report(), accepted_revenue="9007199254740993.02")
    put_reports(cloud, job_report_key, replace(kpis, tables=tables))
    with pytest.raises(RunRejectedError, match=r"9,007,199,254,740,993\.01"):
        _check()


def test_all_problems_are_told_at_once(cloud: Cloud) -> None:
    transformation = changed_dataset(transformation_report("other"), "users", read=3)
    put_reports(cloud, transformation, changed_table(kpi_report(), "daily_metrics", rows=9))
    with pytest.raises(RunRejectedError) as refusal:
        _check()
    assert str(refusal.value).count(";") == 2


@pytest.mark.parametrize(("read", "rejected"), [(0, 0), (4, 4)])
def test_no_accepted_rental_is_refused(cloud: Cloud, read: int, rejected: int) -> None:
    transformation, _ = _rentals(read, rejected)
    none = {name: TableTotals(0, 0, "0.00") for name in ROWS_OF_KPIS}
    none["transaction_metrics"] = TableTotals(1, 0, "0.00")
    put_reports(
        cloud,
        replace(transformation, accepted_revenue="0.00", problem=NO_ACCEPTED_RENTALS),
        KpiReport(RUN, none, NO_ACCEPTED_RENTALS),
    )
    with pytest.raises(RunRejectedError) as refusal:
        _check()
    assert str(refusal.value).count(NO_ACCEPTED_RENTALS) == 1
    assert ("no rental was read" in str(refusal.value)) == (read == 0)


def test_a_problem_in_either_report_is_refused(cloud: Cloud) -> None:
    put_reports(cloud, transformation_report(), replace(kpi_report(), problem="something odd"))
    with pytest.raises(RunRejectedError, match="something odd"):
        _check()


def test_a_job_without_a_report_is_named(cloud: Cloud) -> None:
    with pytest.raises(RunRejectedError) as refusal:
        _check()
    assert "the transformation job wrote no report" in str(refusal.value)
    assert "the kpis job wrote no report" in str(refusal.value)
    cloud.put(job_report_key(TRANSFORMATION_JOB, RUN), transformation_report().to_json().encode())
    with pytest.raises(RunRejectedError) as refusal:
        _check()
    assert str(refusal.value).startswith("the kpis job wrote no report")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"run_id": "x", "tables": {"t": {"rows": 1}}}', "\xff"]
)
def test_a_report_that_is_none_is_refused(cloud: Cloud, text: str) -> None:
    cloud.put(job_report_key(TRANSFORMATION_JOB, RUN), transformation_report().to_json().encode())
    cloud.put(job_report_key(KPI_JOB, RUN), text.encode("latin-1"))
    with pytest.raises(RunRejectedError, match="is not a report of the kpis job"):
        _check()


def test_money_that_is_not_exact_is_no_report(cloud: Cloud) -> None:
    put_reports(cloud, replace(transformation_report(), accepted_revenue="6e2"), kpi_report())
    with pytest.raises(RunRejectedError, match="'6e2' is not an amount with two decimal places"):
        _check()


def test_reports_are_read_back_as_they_were() -> None:
    """Those of a run with a problem too."""
    transformation = replace(transformation_report(), problem="odd")
    kpis = replace(kpi_report(), problem="odd")
    assert TransformationReport.from_json(transformation.to_json()) == transformation
    assert KpiReport.from_json(kpis.to_json()) == kpis
    assert TransformationReport.from_json(transformation_report().to_json()).problem is None
