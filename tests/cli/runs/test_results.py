"""The outcome of a run: the answers from Athena, and the logs of a step that failed."""

from __future__ import annotations

import gzip
from collections.abc import Sequence

import pytest

from cli.runs.results import show_results, show_step_logs
from contract.reports import DatasetCounts, TransformationReport
from pipeline.aws.athena import Query, QueryResult, QueryRunner, ResultColumn
from pipeline.publication.questions import QUESTIONS
from tests.support.console import create_console, get_output
from tests.support.operator_stack import BUCKET, OperatorStack

EMAIL = f"""Step kpis (s-1): FAILED, exit code 1
  Logs: s3://{BUCKET}/logs/emr/j-1/steps/s-1/
"""


def test_last_lines_of_the_logs_that_an_email_names_are_shown(stack: OperatorStack) -> None:
    log = "\n".join(f"line {number}" for number in range(100))
    key = "logs/emr/j-1/steps/s-1/stderr.gz"
    stack.put_object(key, gzip.compress(log.encode()))
    console = create_console(width=100)
    show_step_logs(stack.target, [EMAIL], console)
    lines = get_output(console).splitlines()
    assert f"Last lines of s3://{BUCKET}/{key}:" in lines
    assert lines[-1] == "  line 99"
    assert "  line 84" not in lines


def test_missing_log_is_reported(stack: OperatorStack) -> None:
    console = create_console(width=100)
    show_step_logs(stack.target, [EMAIL], console)
    assert "  cannot read this log: " in get_output(console)
    assert "NoSuchKey" in get_output(console)


def test_results_show_answers_from_athena_and_row_counts(
    stack: OperatorStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = TransformationReport(
        "r", {"rentals": DatasetCounts(12, 10, 2, {"missing_user_id": 2})}, {}, "1234567.80"
    )
    key = "runs/r/transformation.json"
    stack.put_object(key, report.to_json())
    fetched: list[str] = []

    def fetch(_: QueryRunner, queries: Sequence[Query]) -> list[QueryResult]:
        fetched.extend(query.name for query in queries)
        columns = (
            ResultColumn("day", "varchar"),
            ResultColumn("revenue", "decimal"),
            ResultColumn("n", "bigint"),
        )
        return [
            QueryResult(columns, (("2026-11-01", "1234567.80", "1000"), ("0042", None, "7")))
        ] * len(queries)

    monkeypatch.setattr(QueryRunner, "fetch", fetch)
    console = create_console(width=100)
    show_results(stack.target, "r", console)
    assert fetched == [question.name for question in QUESTIONS]
    for text in ("Totals", "1,234,567.80", "1,000", "2026-11-01", "0042", " - "):
        assert text in get_output(console)
    assert "rentals: missing_user_id" in get_output(console)
