"""Publish a run: make its tables the ones that readers see, and send its results.

The order is views, row counts, answers, pointer, email. Every problem is known before the pointer
moves, so readers never see a run whose rows in the catalog differ from the job reports. The answers
come from the partitions of this run, not from the views: the numbers in the email are correct even
if another run is published at the same time, or was claimed later. A run that only verifies the
deployment does not move the pointer.

Every step can be repeated: a view is replaced by the same view, queries are identified by their
request tokens, a published run keeps its publication record, and the email is sent once, as it was
first written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from contract.datasets import DATASETS, RENTALS
from contract.kpi_tables import KPI_TABLES
from contract.layout import REPORT_PAGE, run_report_key
from pipeline.aws.athena import QueryResult, QueryRunner
from pipeline.aws.objects import build_object_url, object_exists, write_if_absent
from pipeline.errors import RunRejectedError
from pipeline.ledger.batch import Run
from pipeline.ledger.keys import run_published_notification
from pipeline.ledger.table import LedgerTable
from pipeline.notifications.emails import Email, EmailSender
from pipeline.publication.catalog import (
    build_question_queries,
    build_row_count_query,
    build_view_queries,
    build_week_queries,
)
from pipeline.publication.day_changes import DayChanges, fetch_day_changes
from pipeline.publication.job_reports import JobReports, read_job_reports
from pipeline.publication.pointer import publish_run
from pipeline.publication.publication_records import PublicationRecord, PublicationRecords
from pipeline.publication.results_email import Outcome, ReportPage, build_results_email

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PublicationStatus = Literal["PUBLISHED", "SUPERSEDED", "VERIFIED"]

_UNITS = {"rows": "rows", "rentals": "rentals", "revenue": "in revenue"}


@dataclass(frozen=True)
class Publication:
    """The result of publishing a run.

    Attributes:
        status: SUPERSEDED if a run that was claimed later has the pointer. VERIFIED if the run only
            verifies the deployment.
        record_key: Key of the run's publication record. None unless the run is published.
        email_sent: Whether the email was sent now, and not by an earlier attempt.
    """

    status: PublicationStatus
    record_key: str | None
    email_sent: bool


@dataclass(frozen=True)
class Publisher:
    """Publishes runs whose tables the crawler has cataloged.

    Attributes:
        s3: The S3 client.
        bucket: Name of the data bucket.
        ledger: The table that has the pointer.
        query_runner: Runs the queries of the run that is published.
        email_sender: Sends the results.
        max_rejected_percent: Maximum percentage of rejected rentals, for the email.
        stack: Name of the stack, for the email.
    """

    s3: S3Client
    bucket: str
    ledger: LedgerTable
    query_runner: QueryRunner
    email_sender: EmailSender
    max_rejected_percent: Decimal
    stack: str

    def publish(self, run: Run, *, personal_data: bool, is_test: bool = False) -> Publication:
        """Publish a run. Publishing it again changes nothing.

        Args:
            run: The run to publish.
            personal_data: Whether the jobs of the run wrote personal data.
            is_test: Whether the run only verifies the deployment. Such a run goes through the same
                steps, but moves no pointer and writes no publication record.

        Raises:
            RunRejectedError: A job report is missing or invalid, or the tables in Athena do not
                match the job reports.
            QueryFailedError: Athena could not run a query.
            InvalidPublicationRecordError: A publication record among the newest ones is invalid.
            RetryableError: The same call may succeed later.
        """
        reports = read_job_reports(self.s3, self.bucket, run.run_id)
        self.query_runner.run(build_view_queries(personal_data))
        (result,) = self.query_runner.fetch([build_row_count_query(run.run_id)])
        _check_contents(run.run_id, _expected_contents(reports), _parse_contents(result))
        answers = self._answer_questions(run)
        records = PublicationRecords(self.s3, self.bucket)
        if is_test:
            # It moves no pointer, but it shows whether the query works.
            self._compare_days(run, records.read_published())
            email = self._build_email(run, reports, answers, Outcome(is_test=True))
            return Publication("VERIFIED", None, self._send(run, email))
        pointer = publish_run(
            self.ledger,
            records,
            run,
            reports.transformation,
            lambda published: self._compare_days(run, published),
        )
        if pointer.run_id != run.run_id:
            outcome = Outcome(published_instead=(pointer.run_id, records.read(pointer.key).batch))
            email = self._build_email(run, reports, answers, outcome)
            return Publication("SUPERSEDED", None, self._send(run, email))
        # An earlier attempt may have written the record, so the email says what the record says.
        outcome = Outcome(changes=records.read(pointer.key).changes or DayChanges())
        email = self._build_email(run, reports, answers, outcome)
        return Publication("PUBLISHED", pointer.key, self._send(run, email))

    def _compare_days(self, run: Run, published: PublicationRecord | None) -> DayChanges:
        return fetch_day_changes(
            self.query_runner,
            run.run_id,
            published.run_id if published else None,
            published.batch if published else "",
        )

    def _answer_questions(self, run: Run) -> Mapping[str, QueryResult]:
        """Run the query of each question, and store the answers."""
        queries = [
            *build_question_queries(run.run_id),
            *build_week_queries(run.run_id, run.claimed_at),
        ]
        results = self.query_runner.fetch(queries)
        answers = {query.name: result for query, result in zip(queries, results, strict=True)}
        records = {name: answer.records for name, answer in answers.items()}
        self.s3.put_object(
            Bucket=self.bucket,
            Key=run_report_key(run.run_id, "answers.json"),
            Body=json.dumps({"run_id": run.run_id, "answers": records}, indent=2).encode(),
            ContentType="application/json",
        )
        return answers

    def _build_email(
        self,
        run: Run,
        reports: JobReports,
        answers: Mapping[str, QueryResult],
        outcome: Outcome,
    ) -> Email:
        key = run_report_key(run.run_id, REPORT_PAGE)
        page = ReportPage(
            build_object_url(self.s3.meta.region_name, self.bucket, key),
            object_exists(self.s3, self.bucket, key),
        )
        return build_results_email(
            run,
            reports.transformation,
            answers,
            outcome,
            page,
            self.max_rejected_percent,
            self.stack,
        )

    def _send(self, run: Run, email: Email) -> bool:
        """Send the email that was written first: an earlier attempt may have read another pointer.

        Returns:
            Whether the email was sent now.
        """
        key = run_report_key(run.run_id, "email.txt")
        text = self._write_if_absent(key, f"{email.sns_subject}\n\n{email.body}")
        subject, _, body = text.partition("\n\n")
        notification = run_published_notification(run.run_id)
        return self.email_sender.send_once(notification, Email(subject, body))

    def _write_if_absent(self, key: str, text: str) -> str:
        """Write a string unless the object exists, and return the content of the object."""
        if write_if_absent(self.s3, self.bucket, key, text, "text/plain; charset=utf-8"):
            return text
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode()


@dataclass(frozen=True)
class TableContents:
    """What a table contains for a run: the number of rows, and the totals of their values."""

    rows: int
    rentals: int
    revenue: Decimal


def _expected_contents(reports: JobReports) -> dict[str, TableContents]:
    """Return what each table must contain according to the jobs.

    Rentals and revenue of the curated tables other than `rentals` are zero.
    """
    transformation, kpis = reports.transformation, reports.kpis
    expected = {}
    for dataset in DATASETS:
        accepted = transformation.datasets[dataset.name].accepted
        expected[dataset.name] = (
            TableContents(accepted, accepted, transformation.revenue)
            if dataset is RENTALS
            else TableContents(accepted, 0, Decimal(0))
        )
    for table in KPI_TABLES:
        totals = kpis.tables[table.name]
        expected[table.name] = TableContents(totals.rows, totals.total_transactions, totals.revenue)
    return expected


def _parse_contents(result: QueryResult) -> dict[str, TableContents]:
    """Return the result of the row count query by table. Its totals are never null."""
    return {
        str(row["table_name"]): TableContents(
            int(row["row_count"] or 0), int(row["rentals"] or 0), Decimal(row["revenue"] or 0)
        )
        for row in result.records
    }


def _check_contents(
    run_id: str, expected: dict[str, TableContents], actual: dict[str, TableContents]
) -> None:
    problems = [
        f"{table}: {difference}"
        for table, contents in expected.items()
        for difference in _list_differences(contents, actual[table])
    ]
    if problems:
        raise RunRejectedError(
            f"run {run_id}: the tables in Athena do not match the job reports: "
            + "; ".join(problems)
        )


def _list_differences(expected: TableContents, actual: TableContents) -> Iterator[str]:
    pairs = zip(asdict(expected).items(), asdict(actual).values(), strict=True)
    for (name, expected_value), actual_value in pairs:
        if expected_value != actual_value:
            yield f"{actual_value:,} {_UNITS[name]} instead of {expected_value:,}"
