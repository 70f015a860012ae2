"""Compare what a run produced with what it must produce: job reports, tables, and publication."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from cli.check_results import CheckResult, fail, ok
from cli.verification.known_batch import ExpectedResults, Row
from cli.verification.verification_run import VerificationRun
from contract.kpi_tables import KPI_TABLES, KpiTable
from contract.layout import KPI_JOB, PUBLISHED_RUNS_PREFIX, TRANSFORMATION_JOB, job_report_key
from pipeline.aws.athena import Query, QueryResult, QueryRunner
from pipeline.aws.clients import error_code
from pipeline.errors import QueryFailedError
from pipeline.ledger.keys import POINTER
from pipeline.publication.catalog import build_row_count_query

_QUERY_TIMEOUT_MS = 600_000
_MAX_DIFFERENCES = 3


def check_job_reports(run: VerificationRun, expected: ExpectedResults) -> CheckResult:
    """Check every count in the reports of both jobs."""
    differences: list[str] = []
    for job, content in ((TRANSFORMATION_JOB, expected.transformation), (KPI_JOB, expected.kpis)):
        key = job_report_key(job, run.run_id)
        try:
            body = run.account.client("s3").get_object(Bucket=run.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error_code(error) != "NoSuchKey":
                raise
            differences.append(f"{key} does not exist")
            continue
        report = {name: value for name, value in json.loads(body).items() if name != "run_id"}
        differences += [f"{key}: {text}" for text in compare_values(content, report)]
    return _result("job reports", differences, "all counts of both jobs are as expected")


def check_tables(run: VerificationRun, expected: ExpectedResults) -> CheckResult:
    """Check every value of the KPI tables, and the row counts of all tables, in Athena."""
    runner = QueryRunner(
        run.account.client("athena"),
        run.stack.outputs["DatabaseName"],
        run.stack.outputs["WorkgroupName"],
        uuid4().hex,  # so that Athena runs the queries again if the command is repeated
        lambda: _QUERY_TIMEOUT_MS,
    )
    queries = [_build_table_query(table, run.run_id) for table in KPI_TABLES]
    try:
        *tables, row_counts = runner.fetch([*queries, build_row_count_query(run.run_id)])
    except QueryFailedError as error:
        return fail("tables", f"Athena could not run a query: {error}")
    differences: list[str] = []
    for table, result in zip(KPI_TABLES, tables, strict=True):
        rows = expected.tables[table.name]
        differences += [f"{table.name}: {text}" for text in compare_rows(rows, result.records)]
    differences += compare_row_counts(expected, row_counts)
    count = sum(len(rows) for rows in expected.tables.values())
    return _result("tables", differences, f"all values in {count} rows of 5 KPI tables match")


def check_publication(run: VerificationRun) -> CheckResult:
    """Check that readers do not see the run."""
    pages = run.account.client("s3").get_paginator("list_objects_v2")
    keys = [
        entry["Key"]
        for page in pages.paginate(Bucket=run.bucket, Prefix=PUBLISHED_RUNS_PREFIX)
        for entry in page.get("Contents", [])
    ]
    records = [key for key in keys if run.run_id in key]
    if records or run.ledger.get(POINTER).get("run_id") == run.run_id:
        return fail(
            "publication",
            f"the run was published: {', '.join(records) or 'the pointer names it'}; roll back as"
            " docs/operations.md describes",
        )
    return ok("publication", "readers do not see the run")


def compare_values(expected: Any, actual: Any, path: str = "") -> Iterator[str]:
    """Yield each difference between two JSON values, with its path."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for name in sorted(expected.keys() | actual.keys()):
            yield from compare_values(expected.get(name), actual.get(name), f"{path}.{name}")
    elif expected != actual:
        yield f"{path.lstrip('.')} is {actual}, expected {expected}"


def compare_rows(expected: Sequence[Row], actual: Sequence[Row]) -> Iterator[str]:
    """Yield each difference between the rows of a table, whose first column is the key.

    `vehicle_metrics` has two key columns, so rows are compared as a whole.
    """
    missing = [row for row in expected if row not in actual]
    unexpected = [row for row in actual if row not in expected]
    for row in unexpected:
        similar = _find_most_similar(row, missing)
        if similar is None:
            yield f"unexpected row {_format(row)}"
            continue
        missing.remove(similar)
        key = next(iter(row.values()))
        yield from (f"{key}: {text}" for text in compare_values(similar, row))
    yield from (f"missing row {_format(row)}" for row in missing)
    if len(actual) != len(expected) and not missing and not unexpected:
        yield f"{len(actual)} rows, expected {len(expected)}"


def compare_row_counts(expected: ExpectedResults, result: QueryResult) -> Iterator[str]:
    """Yield each table whose number of rows, rentals, or revenue in the catalog differs."""
    actual = {str(row["table_name"]): row for row in result.records}
    rows = {
        name: counts["accepted"] for name, counts in expected.transformation["datasets"].items()
    }
    rows |= {name: totals["rows"] for name, totals in expected.kpis["tables"].items()}
    for name, count in rows.items():
        found = actual.get(name, {}).get("row_count")
        if found != str(count):
            yield f"{name}: {found} rows in the catalog, expected {count}"


def _build_table_query(table: KpiTable, run_id: str) -> Query:
    columns = ", ".join(name for name, _ in table.columns_for(personal_data=False))
    # The names of the table and its columns come from the contract.
    text = f"SELECT {columns} FROM history_{table.name} WHERE run_id = ?"  # noqa: S608
    return Query(f"verify {table.name}", text, (run_id,))


def _find_most_similar(row: Row, candidates: Sequence[Row]) -> Row | None:
    """Return the expected row with the same key as a row, or else None."""
    key = next(iter(row.items()))
    same_key = [candidate for candidate in candidates if key in candidate.items()]
    return max(same_key, key=lambda other: len(set(row.items()) & set(other.items())), default=None)


def _format(row: Row) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())


def _result(subject: str, differences: Sequence[str], success: str) -> CheckResult:
    if not differences:
        return ok(subject, success)
    omitted = len(differences) - _MAX_DIFFERENCES
    more = f"; and {omitted} more" if omitted > 0 else ""
    return fail(subject, "; ".join(differences[:_MAX_DIFFERENCES]) + more)
