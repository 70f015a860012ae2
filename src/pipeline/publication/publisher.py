"""Publishing a run: what readers see from then on, and what people are told.

The order is views, row counts, answers, pointer, mail. Everything that can be wrong is known before
the pointer is moved, so nothing is shown that the catalogue does not hold as the jobs counted it.
The answers are this run's own, asked of its partitions and not of the views: the mail's numbers are
right even if another run is published meanwhile, or has been claimed later.

Every step can be done again: views are replaced by the same views, queries are found by their
tokens, the run gets the same pointer again, the mail that was written first is the one that counts,
and it is sent once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Literal

from botocore.exceptions import ClientError

from contract.datasets import DATASETS, RENTALS
from contract.kpi_tables import KPI_TABLES
from contract.layout import run_report_key
from pipeline.aws.athena import Athena, QueryResult
from pipeline.aws.clients import client, error_code
from pipeline.errors import RetryableError, RunRejectedError
from pipeline.ledger.batch import Run
from pipeline.notifications.emails import Email, EmailSender
from pipeline.publication.catalog import questions, row_counts, views
from pipeline.publication.job_reports import JobReports, read_job_reports
from pipeline.publication.pointer import claim_pointer, write_publication
from pipeline.publication.report_email import report_email

Status = Literal["PUBLISHED", "SUPERSEDED"]


@dataclass(frozen=True)
class Publication:
    """How it ended. `pointer` is the object's key, null if a run claimed later has the pointer.

    `told` says that the mail went out now, and not in an earlier try.
    """

    status: Status
    pointer: str | None
    told: bool


@dataclass(frozen=True)
class Publisher:
    """Publishes runs whose tables the crawler has catalogued."""

    bucket: str
    ledger_table: str
    personal_data: bool
    mailer: EmailSender
    athena: Athena

    def publish(self, run: Run) -> Publication:
        """Publish the run; once more changes nothing.

        RunRejectedError if Athena finds other rows than the jobs counted; QueryFailedError;
        RetryableError if the same call should be made again.
        """
        reports = read_job_reports(self.bucket, run.run_id)
        self.athena.run(views(self.personal_data))
        (found,) = self.athena.fetch([row_counts(run.run_id)])
        _compare(run.run_id, expected_contents(reports), _contents(found))
        answers = self._answers(run)
        pointer = claim_pointer(self.ledger_table, run)
        is_shown = pointer.run_id == run.run_id
        if is_shown:
            write_publication(self.bucket, pointer, run.batch, reports.transformation)
        shown_instead = None if is_shown else pointer.run_id
        mail = report_email(run, reports.transformation, answers, shown_instead, self.bucket)
        told = self._tell(run, mail)
        if is_shown:
            return Publication("PUBLISHED", pointer.key, told)
        return Publication("SUPERSEDED", None, told)

    def _answers(self, run: Run) -> Mapping[str, QueryResult]:
        asked = questions(run.run_id)
        answers = {
            question.name: answer
            for question, answer in zip(asked, self.athena.fetch(asked), strict=True)
        }
        records = {name: answer.records for name, answer in answers.items()}
        client("s3").put_object(
            Bucket=self.bucket,
            Key=run_report_key(run.run_id, "answers.json"),
            Body=json.dumps({"run_id": run.run_id, "answers": records}, indent=2).encode(),
            ContentType="application/json",
        )
        return answers

    def _tell(self, run: Run, mail: Email) -> bool:
        """Send the mail that was written first: an earlier try may have seen another pointer."""
        key = run_report_key(run.run_id, "email.txt")
        text = self._keep_first(key, f"{mail.sns_subject}\n\n{mail.body}")
        subject, _, body = text.partition("\n\n")
        return self.mailer.send_once(f"published {run.run_id}", Email(subject, body))

    def _keep_first(self, key: str, text: str) -> str:
        """Write the text unless something is there; what is there then."""
        s3 = client("s3")
        try:
            s3.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=text.encode(),
                ContentType="text/plain; charset=utf-8",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error_code(error) == "ConditionalRequestConflict":
                raise RetryableError(f"{key} is being written by another: {error}") from error
            if error_code(error) != "PreconditionFailed":
                raise
            return s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode()
        return text


@dataclass(frozen=True)
class TableContents:
    """What a table holds of a run: its rows, and the rentals and revenue that they add up to."""

    rows: int
    rentals: int
    revenue: Decimal


def expected_contents(reports: JobReports) -> dict[str, TableContents]:
    """What the jobs say that each table holds; curated tables but rentals add up to nothing."""
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


def _contents(found: QueryResult) -> dict[str, TableContents]:
    """The answer to `row_counts`, by table; its sums are never null."""
    return {
        str(row["table_name"]): TableContents(
            int(row["row_count"] or 0), int(row["rentals"] or 0), Decimal(row["revenue"] or 0)
        )
        for row in found.records
    }


def _compare(
    run_id: str, expected: dict[str, TableContents], found: dict[str, TableContents]
) -> None:
    problems = [
        f"{table} {problem}"
        for table, contents in expected.items()
        for problem in _differences(contents, found[table])
    ]
    if problems:
        raise RunRejectedError(
            f"run {run_id}: Athena finds other contents than the jobs counted: "
            + "; ".join(problems)
        )


def _differences(expected: TableContents, found: TableContents) -> Iterator[str]:
    for (what, wanted), got in zip(asdict(expected).items(), asdict(found).values(), strict=True):
        if wanted != got:
            yield f"has {what} {got:,} instead of {wanted:,}"
