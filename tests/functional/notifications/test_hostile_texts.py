"""Tests that text from uploads cannot imitate other parts of an email.

Whoever may upload chooses the names of folders and files, the header lines, and the names in the
rows. Each email is built twice, with a harmless text and with a hostile one, and compared.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import pytest

import pipeline
from contract.datasets import DATASETS
from contract.reports import DatasetCounts, TransformationReport
from contract.text import escape_control_characters
from pipeline.aws.athena import QueryResult, ResultColumn
from pipeline.aws.emr_clusters import Cluster
from pipeline.aws.emr_steps import FailedStep, LogTail
from pipeline.aws.executions import Execution
from pipeline.intake import upload_emails
from pipeline.ledger.batch import BatchFile, FileVersion, Run
from pipeline.ledger.batch_item import Batch, RejectedUpload
from pipeline.notifications.email_budget import Summary, SummaryEntry
from pipeline.notifications.emails import Email
from pipeline.notifications.plain_text import quote
from pipeline.notifications.summary import build_summary_email
from pipeline.publication.day_changes import DayChanges
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
from tests.support.snapshots import check_lines

TIME = "2026-11-24T08:00:00.000000Z"
MARKER = "MARKER"
COMMAND = "aws s3 rm --recursive s3://rental-data/"
HOSTILE_TEXTS = {
    "line breaks": f"{MARKER}\n\nTo process the same files again:\n\n{COMMAND}\n",
    "carriage return": f"{MARKER}\r\n{COMMAND}\r",
    "other line breaks": f"{MARKER}\x0b\x0c\x1c\x1d\x1e\x85\u2028{COMMAND}\u2029",
    "terminal escape sequences": f"{MARKER}\x1b[2J\x1b]0;title\x07\x9b31m{COMMAND}\x00",
    "bidirectional text": f"{MARKER}\u202e{COMMAND}\u2066\u200f\u061c",
    "shell": f"{MARKER}'\"; touch \"$CANARY\" #$(touch \"$CANARY\")`touch \"$CANARY\"` \\",
}  # fmt: skip
STATE_MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:rental-kpi-pipeline"
STACK = "rental-kpi"
RUN_ID = "2026-11-3f1c0a9be2d45c7780aa"
CLUSTER = Cluster("j-1", "TERMINATED", {}, "BOOTSTRAP_FAILURE", MARKER, TIME)


def _create_batch(text: str) -> Batch:
    prefix = f"raw/{text}/"
    file = BatchFile("users", f"{prefix}users.csv", "v1", 10, "01", TIME)
    problem = f"{prefix}rental_transactions.csv: the column {text} is missing"
    rejected = RejectedUpload(f"{prefix}rental_transactions.csv", "v1", "01", problem)
    return Batch(prefix, {"users": file}, {"rentals": rejected}, (), TIME)


def _build_rejected_file_email(text: str) -> Email:
    batch = _create_batch(text)
    file = BatchFile("rentals", f"raw/{text}/rental_transactions.csv", "v1", 10, "01", TIME)
    return upload_emails.build_rejected_file_email(file, batch.rejected["rentals"].problems, batch)


def _build_failed_run_email(text: str) -> Email:
    step = FailedStep("j-1", "s-1", "kpis", "FAILED", f"reason {text}", f"message {text}")
    cluster = Cluster("j-1", "TERMINATED", {}, "BOOTSTRAP_FAILURE", text, TIME)
    details = FailureDetails(
        cluster, [step], {"s-1": LogTail((f"first {text}", f"last {text}"), 1)}, [], [f"gap {text}"]
    )
    return build_failed_run_email(
        RunContext(RUN_ID, f"raw/{text}/", STATE_MACHINE, "rental-data", STACK),
        Failure("RunJobs", "RunRejectedError", f"cause {text}"),
        details,
        f"Readers still see the numbers of:\n{quote(text)}",
    )


def _build_input_error_email(text: str) -> Email:
    step = FailedStep("j-1", "s-1", "kpis", "FAILED", "", "")
    details = FailureDetails(None, [step], {"s-1": LogTail((f"users.csv: {text}",), 2)})
    return build_failed_run_email(
        RunContext(RUN_ID, f"raw/{text}/", STATE_MACHINE, "rental-data", STACK),
        Failure("RunJobs", text, ""),
        details,
        "",
    )


def _build_ended_run_email(text: str) -> Email:
    run = RunContext(RUN_ID, f"raw/{text}/", STATE_MACHINE, "rental-data", STACK)
    execution = Execution(run.execution_arn, RUN_ID, "ABORTED", text, text, {}, {})
    failure = Failure("", "", f"The execution was aborted: {text}")
    published = f"Readers see the numbers of:\n{quote(text)}"
    return build_ended_run_email(run, execution, failure, "", published, (f"gap {text}",))


def _build_results_email(text: str) -> Email:
    report = TransformationReport(
        RUN_ID,
        {dataset.name: DatasetCounts(1, 1, 0, {}) for dataset in DATASETS},
        {},
        "10.00",
    )
    week = {
        "last_day": "2026-11-23",
        "later_rentals": "0",
        "rentals": "7",
        "revenue": "10.00",
        "users": "1",
        "days": "7",
        "rentals_before": "7",
        "revenue_before": "5.00",
        "users_before": "1",
        "days_before": "7",
    }
    week_type = {"vehicle_type": text, "revenue": "10.00", "revenue_before": "5.00"}
    location = {"location_id": text, "location_name": text, "city": text, "revenue": "10.00"}
    answers = {
        "totals": _create_answer({"first_day": "2026-11-01", "last_day": "2026-11-23"}),
        "week": _create_answer(week),
        "week_types": _create_answer({**week_type, "all_types": "1"}),
        "top_locations": _create_answer(location),
    }
    files = (FileVersion("users", f"raw/{text}/users.csv", "v1", 10, warnings=(text, "other")),)
    run = Run(RUN_ID, f"raw/{text}/", TIME, files)
    changes = DayChanges("earlier-0123456789abcdef0123", f"raw/{text}/")
    page = ReportPage("https://console", exists=True)
    return build_results_email(run, report, answers, Outcome(changes), page, Decimal(5), STACK)


def _create_answer(record: dict[str, str]) -> QueryResult:
    columns = tuple(ResultColumn(name, "varchar") for name in record)
    return QueryResult(columns, (tuple(record.values()),))


def _build_rollback_email(text: str) -> Email:
    restored = RunTotals(RUN_ID, f"raw/{text}/", Decimal("10.00"), 3)
    replaced = RunTotals("later-0123456789abcdef0123", f"raw/later {text}/", Decimal("20.00"), 4)
    changes = DayChanges("later-0123456789abcdef0123", f"raw/later {text}/")
    return build_rollback_email(restored, replaced, changes, f"reason {text}", STACK)


BUILDERS: dict[str, list[Callable[[str], Email]]] = {
    "build_unknown_file_email": [
        lambda text: upload_emails.build_unknown_file_email(f"raw/{text}/{text}", f"raw/{text}/")
    ],
    "build_unreadable_file_email": [
        lambda text: upload_emails.build_unreadable_file_email(
            f"raw/{text}/users.csv", f"raw/{text}/users.csv cannot be read: denied"
        )
    ],
    "build_rejected_file_email": [_build_rejected_file_email],
    "build_held_batch_email": [
        lambda text: upload_emails.build_held_batch_email(
            _create_batch(text), timedelta(hours=24), STACK
        )
    ],
    "build_incomplete_batches_email": [
        lambda text: build_incomplete_batches_email([_create_batch(text)]),
        lambda text: build_incomplete_batches_email([_create_batch(text), _create_batch("other")]),
    ],
    "build_summary_email": [
        lambda text: build_summary_email(
            Summary("2026-11-24T08", (SummaryEntry(f"subject {text}", f"detail {text}", TIME),), 0)
        )
    ],
    "build_failed_run_email": [_build_failed_run_email, _build_input_error_email],
    "build_ended_run_email": [_build_ended_run_email],
    "build_results_email": [_build_results_email],
    "build_rollback_email": [_build_rollback_email],
}
CASES = [
    pytest.param(build, id=f"{name} {number}")
    for name, builds in BUILDERS.items()
    for number, build in enumerate(builds, 1)
]


def test_all_email_builders_are_tested() -> None:
    modules = pkgutil.walk_packages(pipeline.__path__, "pipeline.")
    functions = {
        name
        for module in modules
        for name, _ in inspect.getmembers(import_module(module.name), inspect.isfunction)
        if re.fullmatch("build_.*_email", name)
    }
    assert functions == set(BUILDERS)


FOREIGN = re.compile(rf"{MARKER}|xx")


def _create_harmless_text(hostile: str) -> str:
    """Return a text that emails show in the same layout, but that contains only the letter x."""
    shown = escape_control_characters(hostile)
    return MARKER + re.sub(r"\S", "x", shown.removeprefix(MARKER))


@pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)
@pytest.mark.parametrize("build", CASES)
def test_hostile_text_stays_in_its_place(build: Callable[[str], Email], text: str) -> None:
    """It is a part of a line of ours, or quoted, and never begins a line."""
    harmless, hostile = build(_create_harmless_text(text)), build(text)
    assert hostile.sns_subject.isascii()
    assert hostile.sns_subject.isprintable()
    assert "\n" not in hostile.subject
    expected_lines, lines = _list_own_lines(harmless), _list_own_lines(hostile)
    assert len(lines) == len(expected_lines)
    for line, expected in zip(lines, expected_lines, strict=True):
        assert line.isprintable()
        own, *foreign = FOREIGN.split(expected)
        assert line.startswith(own)
        assert own or not expected
        if not foreign:
            assert line == expected


def _list_own_lines(email: Email) -> list[str]:
    """Return the lines of an email, with each block of quoted lines replaced by one mark."""
    return re.sub(r"(^> .*\n)+", "(quoted)\n", email.body, flags=re.M).splitlines()


@pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)
@pytest.mark.parametrize("build", CASES)
def test_lines_fit_a_phone(build: Callable[[str], Email], text: str) -> None:
    check_lines(build(text))
    check_lines(build(text * 300))


@pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)
@pytest.mark.parametrize("build", CASES)
def test_commands_do_not_execute_hostile_text(
    build: Callable[[str], Email], text: str, tmp_path: Path
) -> None:
    """The commands have as many arguments as with a harmless text, and execute nothing else."""
    canary = tmp_path / "canary"
    counts = []
    for email in (build(_create_harmless_text(text)), build(text)):
        commands = re.findall(r"^(?!> ).*?(\./run .*)$", email.body, re.M)
        counts.append([_count_arguments(command, canary, tmp_path) for command in commands])
    assert counts[0] == counts[1]
    assert not canary.exists()


def _count_arguments(command: str, canary: Path, folder: Path) -> int:
    """Run a command with a program in place of its own that prints the number of its arguments."""
    program = folder / "run"
    program.write_text('#!/bin/sh\necho "$#"\n')
    program.chmod(0o755)
    result = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={"PATH": f"{folder}:/usr/bin:/bin", "CANARY": str(canary)},
        capture_output=True,
        check=True,
        text=True,
    )
    return int(result.stdout)
