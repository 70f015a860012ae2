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
from importlib import import_module
from pathlib import Path

import pytest

import pipeline
from contract.datasets import DATASETS
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
from pipeline.publication.questions import QUESTIONS
from pipeline.publication.report_email import build_report_email
from pipeline.recovery.failure_details import FailureDetails
from pipeline.recovery.failure_emails import (
    RunContext,
    build_ended_run_email,
    build_failed_run_email,
)
from pipeline.recovery.failures import Failure
from pipeline.recovery.incomplete_batches import build_incomplete_batches_email

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
        RunContext(RUN_ID, f"raw/{text}/", STATE_MACHINE, "rental-data"),
        Failure("RunJobs", "RunRejectedError", f"cause {text}"),
        details,
        f"Readers still see run {text}.",
    )


def _build_input_error_email(text: str) -> Email:
    step = FailedStep("j-1", "s-1", "kpis", "FAILED", "", "")
    details = FailureDetails(None, [step], {"s-1": LogTail((f"users.csv: {text}",), 2)})
    return build_failed_run_email(
        RunContext(RUN_ID, f"raw/{text}/", STATE_MACHINE, "rental-data"),
        Failure("RunJobs", text, ""),
        details,
        "",
    )


def _build_ended_run_email(text: str) -> Email:
    run = RunContext(RUN_ID, f"raw/{text}/", STATE_MACHINE, "rental-data")
    execution = Execution(run.execution_arn, RUN_ID, "ABORTED", text, text, {}, {})
    failure = Failure("", "", f"The execution was aborted: {text}")
    return build_ended_run_email(run, execution, failure, "", f"Readers see run {text}.")


def _build_report_email(text: str) -> Email:
    report = TransformationReport(
        RUN_ID,
        {dataset.name: DatasetCounts(1, 1, 0, {}) for dataset in DATASETS},
        {},
        "10.00",
    )
    answers = {}
    for question in QUESTIONS:
        columns = tuple(ResultColumn(name, "varchar") for name in question.email_columns)
        answers[question.name] = QueryResult(
            columns or (ResultColumn("total_revenue", "varchar"),),
            (tuple(text for _ in columns or (1,)),),
        )
    files = (FileVersion("users", f"raw/{text}/users.csv", "v1", 10, warnings=(text, "other")),)
    run = Run(RUN_ID, f"raw/{text}/", TIME, files)
    return build_report_email(run, report, answers, None, "rental-data")


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
            _create_batch(text), timedelta(hours=24), "rental-kpi-watchdog"
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
    "build_report_email": [_build_report_email],
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


def _create_harmless_text(hostile: str) -> str:
    """Return a text with a control character only if the hostile one has any.

    The emails may say that they show control characters as escapes.
    """
    return MARKER if hostile.isprintable() else f"{MARKER}\x07"


@pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)
@pytest.mark.parametrize("build", CASES)
def test_hostile_text_stays_in_its_line(build: Callable[[str], Email], text: str) -> None:
    harmless, hostile = build(_create_harmless_text(text)), build(text)
    assert hostile.sns_subject.isascii()
    assert hostile.sns_subject.isprintable()
    assert "\n" not in hostile.subject
    expected_lines, lines = harmless.body.splitlines(), hostile.body.splitlines()
    assert len(lines) == len(expected_lines)
    for line, expected in zip(lines, expected_lines, strict=True):
        assert line.isprintable()
        if MARKER in expected:
            assert MARKER in line
        else:
            # A long value makes the columns of its table wider.
            assert line.split() == expected.split()


@pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)
@pytest.mark.parametrize("build", CASES)
def test_commands_do_not_execute_hostile_text(
    build: Callable[[str], Email], text: str, tmp_path: Path
) -> None:
    """The commands have as many arguments as with a harmless text, and execute nothing else."""
    canary = tmp_path / "canary"
    counts = []
    for email in (build(_create_harmless_text(text)), build(text)):
        commands = re.findall(r"^(?:aws|\./run) (?:.*\\\n)*.*$", email.body, re.M)
        results = [_count_arguments(command, canary, tmp_path) for command in commands]
        counts.append(results)
    assert counts[0] == counts[1]
    assert not canary.exists()


def _count_arguments(command: str, canary: Path, folder: Path) -> int:
    """Run a command with a program in place of its own that prints the number of its arguments."""
    for name in ("aws", "run"):
        program = folder / name
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
