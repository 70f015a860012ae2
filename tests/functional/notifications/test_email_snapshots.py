"""Every email as its readers see it, compared with the files in `tests/emails/`.

The email about the real data is tested with the function that sends it, in
`publication/test_results_email.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from contract.reports import DatasetCounts, TransformationReport
from pipeline.aws.athena import QueryResult, ResultColumn
from pipeline.aws.emr_clusters import Cluster
from pipeline.aws.emr_steps import FailedStep, LogTail
from pipeline.aws.executions import Execution
from pipeline.intake import upload_emails
from pipeline.ledger.batch import BatchFile, FileVersion, Run
from pipeline.ledger.batch_item import Batch, RejectedUpload
from pipeline.notifications.email_budget import Summary, SummaryEntry
from pipeline.notifications.emails import Email
from pipeline.notifications.summary import build_summary_email
from pipeline.publication.day_changes import ChangeTotals, DayChange, DayChanges, DayFigures
from pipeline.publication.results_email import Outcome, ReportPage, build_results_email
from pipeline.publication.rollback_email import RunTotals, build_rollback_email
from pipeline.recovery.failure_details import FailureDetails
from pipeline.recovery.failure_emails import (
    RunContext,
    build_ended_run_email,
    build_failed_run_email,
)
from pipeline.recovery.failures import Failure
from pipeline.recovery.incomplete_batches import build_incomplete_batches_email
from tests.support.snapshots import EMAILS, check_email

STACK = "rental-kpi"
W21, W22 = "2024-w21-4b1c7f02d9e85a361c04", "2024-w22-352dbd7a90c41e6f8b27"
BATCH = "raw/2024-w22/"
CLAIMED_AT = "2026-11-25T09:13:00.000000Z"
RUN = RunContext(
    W22,
    BATCH,
    "arn:aws:states:eu-west-1:123456789012:stateMachine:rental-kpi-pipeline",
    "rental-data",
    STACK,
)
READERS_KEEP = "Nothing was published. Readers still see the\nnumbers of:\n> 2024-w21"
CLUSTER = Cluster("j-3KV7WQ0PXL2MA", "TERMINATED", {}, "", "", CLAIMED_AT)
STEP = FailedStep(
    "j-3KV7WQ0PXL2MA", "s-0142935TQXV8", "transformation_job", "FAILED", "Unknown Error.", ""
)
CANCELED = replace(STEP, step_id="s-0993417MZYB1", name="kpis", state="CANCELLED", reason="")
PAGE = ReportPage(
    "https://eu-west-1.console.aws.amazon.com/s3/object/rental-data"
    f"?region=eu-west-1&prefix=reports/{W22}/report.html",
    exists=True,
)


def _create_batch(prefix: str = BATCH, *names: str) -> Batch:
    files = {
        name: BatchFile(name, f"{prefix}{name}.csv", "v", 10, "01", f"2026-11-2{day}T07:58:00Z")
        for day, name in enumerate(names, 3)
    }
    return Batch(prefix, files, {}, (), "2026-11-23T07:58:00.000000Z")


def _build_rejected_file_email() -> Email:
    key, name = f"{BATCH}rental_transactions.csv", "rentals"
    problems = (
        f"{key}: 2 problems: the column `total_amount` is missing; the column `user_id` occurs"
        " twice"
    )
    batch = _create_batch(BATCH, "users", "vehicles")
    rejected = replace(batch, rejected={name: RejectedUpload(key, "v2", "02", problems)})
    file = BatchFile(name, key, "v2", 10, "02", "2026-11-25T08:02:00Z")
    return upload_emails.build_rejected_file_email(file, problems, rejected)


def _build_summary_email() -> Email:
    entries = (
        SummaryEntry(
            "Unknown file: raw/2024-w22/notes.txt",
            "The file was not processed, because its name is not that of a batch file.",
            "2026-11-25T08:10:00.000000Z",
        ),
        SummaryEntry(
            f"File rejected: {BATCH}users.csv",
            f"{BATCH}users.csv: the column `email` is missing",
            "2026-11-25T08:40:00.000000Z",
            3,
        ),
    )
    return build_summary_email(Summary("2026-11-25T08", entries, 0))


def _build_failed_job_email() -> Email:
    tail = LogTail(("[2/5] checking rentals", "OutOfMemoryError: Java heap space"), 1)
    details = FailureDetails(CLUSTER, [STEP, CANCELED], {STEP.step_id: tail})
    failure = Failure("RunJobs", "States.TaskFailed", "")
    return build_failed_run_email(RUN, failure, details, READERS_KEEP)


def _build_input_error_email() -> Email:
    line = "users.csv is not UTF-8 from byte 1048600 on"
    details = FailureDetails(CLUSTER, [STEP], {STEP.step_id: LogTail((line,), 2)})
    failure = Failure("RunJobs", "States.TaskFailed", "")
    return build_failed_run_email(RUN, failure, details, READERS_KEEP)


def _build_quality_gate_email() -> Email:
    message = (
        f"run {W22}: 1,480 of 20,080 rentals were rejected (7.38%), but the limit is 5%: see the"
        f" reject reasons in quarantine/rentals/run_id={W22}/"
    )
    failure = Failure("CheckRun", "RunRejectedError", f'{{"errorMessage": "{message}"}}')
    return build_failed_run_email(RUN, failure, FailureDetails(CLUSTER), READERS_KEEP)


def _build_ended_run_email(status: str, failure: Failure, cluster: str) -> Email:
    execution = Execution(RUN.execution_arn, W22, status, "", "", {}, {})
    return build_ended_run_email(RUN, execution, failure, cluster, READERS_KEEP)


def _create_answer(*records: Mapping[str, str | None]) -> QueryResult:
    columns = tuple(ResultColumn(name, "varchar") for name in (records[0] if records else {}))
    return QueryResult(columns, tuple(tuple(record.values()) for record in records))


def _build_results_email(
    outcome: Outcome,
    *,
    rejected: bool = False,
    days_before: int = 7,
    later_rentals: int = 0,
    page: ReportPage = PAGE,
    warnings: tuple[str, ...] = (),
) -> Email:
    rentals = (
        DatasetCounts(
            5_000,
            4_959,
            41,
            {
                "missing_user_id": 20,
                "invalid_total_amount": 11,
                "end_not_after_start": 7,
                "duplicate_rental_id": 2,
                "malformed_row": 1,
            },
        )
        if rejected
        else DatasetCounts(5_000, 5_000, 0, {})
    )
    report = TransformationReport(
        W22,
        {
            "users": DatasetCounts(30_000, 29_993, 7, {"missing_email": 7})
            if rejected
            else DatasetCounts(30_000, 30_000, 0, {}),
            "vehicles": DatasetCounts(18_180, 18_180, 0, {}),
            "locations": DatasetCounts(300, 300, 0, {}),
            "rentals": rentals,
        },
        {"inactive_user": 103, "unknown_vehicle": 2, "unknown_user": 0},
        "4012345.50",
    )
    last_day = "2099-01-01" if later_rentals else "2024-05-31"
    answers = {
        "totals": _create_answer({"first_day": "2024-01-01", "last_day": last_day}),
        "week": _create_answer(
            {
                "last_day": "2024-05-31",
                "later_rentals": str(later_rentals),
                "rentals": "925",
                "revenue": "760270.00",
                "users": "893",
                "days": "7",
                "rentals_before": "898",
                "revenue_before": "738990.00",
                "users_before": "862",
                "days_before": str(days_before),
            }
        ),
        "week_types": _create_answer(
            *(
                {"vehicle_type": name, "revenue": now, "revenue_before": before, "all_types": "6"}
                for name, now, before in (
                    ("high_end", "363800.00", "339850.00"),
                    ("premium", "268240.00", "274120.00"),
                    ("basic", "128230.00", "125020.00"),
                    ("electric", "1200.00", "0.00"),
                    ("unknown", "0.00", "880.00"),
                )
            )
        ),
        "top_locations": _create_answer(
            *(
                {"location_id": "4380", "location_name": name, "city": city, "revenue": revenue}
                for name, city, revenue in (
                    ("Bean LLC", "Fontana", "88170.00"),
                    ("Jenkins, Valdez and Sims", "San Francisco", "73760.00"),
                    (None, None, "12.50"),
                )
            )
        ),
    }
    files = (FileVersion("users", f"{BATCH}users.csv", "v1", 10, warnings=warnings),)
    run = Run(W22, BATCH, CLAIMED_AT, files)
    return build_results_email(run, report, answers, outcome, page, Decimal("5.0"), STACK)


RESTATED = DayChanges(
    W21,
    "raw/2024-w21/",
    totals={
        "new": ChangeTotals(7, 925, Decimal("760270.00")),
        "changed": ChangeTotals(2, -1, Decimal("-1180.50")),
        "vanished": ChangeTotals(1, -130, Decimal("-104310.00")),
    },
    days=(
        DayChange("2024-05-31", "new", DayFigures(131, Decimal("109310.00")), None),
        DayChange(
            "2024-05-03",
            "changed",
            DayFigures(129, Decimal("107310.00")),
            DayFigures(130, Decimal("108490.50")),
        ),
        DayChange(
            "2024-05-02",
            "changed",
            DayFigures(129, Decimal("107310.00")),
            DayFigures(130, Decimal("107310.00")),
        ),
        DayChange("2024-03-30", "vanished", None, DayFigures(130, Decimal("104310.00"))),
    ),
)
ROLLED_BACK = DayChanges(
    W22,
    BATCH,
    totals={"vanished": ChangeTotals(7, -925, Decimal("-760270.00"))},
    days=tuple(
        DayChange(f"2024-05-{day}", "vanished", None, DayFigures(132, Decimal("108610.00")))
        for day in range(31, 24, -1)
    ),
)
EMAIL_BUILDERS: dict[str, Callable[[], Email]] = {
    "results-restated": lambda: _build_results_email(Outcome(RESTATED)),
    "results-rejections": lambda: _build_results_email(
        Outcome(RESTATED), rejected=True, warnings=("unexpected column `shoe_size` is ignored",)
    ),
    "results-first": lambda: _build_results_email(Outcome(DayChanges())),
    "results-without-page": lambda: _build_results_email(
        Outcome(DayChanges(None, "raw/2024-w21/", has_expired=True)),
        page=replace(PAGE, exists=False),
    ),
    "results-missing-days": lambda: _build_results_email(
        Outcome(DayChanges(W21, "raw/2024-w21/")), days_before=5, later_rentals=1
    ),
    "results-superseded": lambda: _build_results_email(
        Outcome(published_instead=("2024-w23-aaaaaaaaaaaaaaaaaaaa", "raw/2024-w23/"))
    ),
    "results-verification": lambda: _build_results_email(Outcome(is_test=True)),
    "rollback": lambda: build_rollback_email(
        RunTotals(W21, "raw/2024-w21/", Decimal("15440350.00"), 19_155),
        RunTotals(W22, BATCH, Decimal("16200620.00"), 20_080),
        ROLLED_BACK,
        "The prices of 25 to 31 May are those of last year.",
        STACK,
    ),
    "unknown-file": lambda: upload_emails.build_unknown_file_email(f"{BATCH}Users.csv", BATCH),
    "unreadable-file": lambda: upload_emails.build_unreadable_file_email(
        f"{BATCH}users.csv",
        f"{BATCH}users.csv cannot be read (InvalidObjectState): it is in an archive",
    ),
    "rejected-file": _build_rejected_file_email,
    "held-batch": lambda: upload_emails.build_held_batch_email(
        _create_batch(BATCH, "users", "vehicles", "locations", "rentals"),
        timedelta(hours=24),
        STACK,
    ),
    "incomplete-batch": lambda: build_incomplete_batches_email([_create_batch(BATCH, "users")]),
    "incomplete-batches": lambda: build_incomplete_batches_email(
        [
            _create_batch(BATCH, "users", "vehicles", "locations"),
            _create_batch("raw/2024-w23/", "rentals"),
        ]
    ),
    "summary": _build_summary_email,
    "failed-job": _build_failed_job_email,
    "failed-input": _build_input_error_email,
    "failed-quality-gate": _build_quality_gate_email,
    "failed-timeout": lambda: _build_ended_run_email(
        "TIMED_OUT",
        Failure("", "", "The execution timed out."),
        "Cluster j-3KV7WQ0PXL2MA of the run was still running and is being terminated.",
    ),
    "failed-abort": lambda: _build_ended_run_email(
        "ABORTED",
        Failure("", "", "The execution was aborted: wrong files"),
        "The run has no running cluster.",
    ),
}


@pytest.mark.parametrize("name", EMAIL_BUILDERS)
def test_email_is_the_snapshot(name: str) -> None:
    check_email(name, EMAIL_BUILDERS[name]())


def test_every_snapshot_is_tested() -> None:
    names = {file.stem for file in EMAILS.iterdir()}
    assert names == {*EMAIL_BUILDERS, "results"}
