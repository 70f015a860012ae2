"""Read runs from Step Functions, the ledger, and the job reports.

Step Functions lists the executions of the last 90 days. The ledger says how each ended, and which
runs wait. The job reports in the bucket are kept for longer than both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from cli.runs.publications import read_publications, read_record
from cli.runs.run import FAILED, PUBLISHED, WAITING, Run, build_run
from cli.target.target import Target
from contract.layout import TRANSFORMATION_JOB, job_report_key
from contract.reports import TransformationReport
from pipeline.aws.clients import error_code
from pipeline.ledger.batch_ledger import BatchLedger
from pipeline.ledger.keys import run_key

_PAGE = 50  # runs whose ledger items are read together
_THREADS = 8
_REPORTS_PREFIX = "runs/"
_MISSING_EXECUTION = {"ExecutionDoesNotExist", "InvalidName", "InvalidArn"}


@dataclass(frozen=True)
class RunReader:
    """Reads the runs of a target.

    Attributes:
        target: The stack that the runs belong to.
    """

    target: Target

    def list_newest_first(self) -> Iterator[Run]:
        """Yield every run: those that wait, and then the others by the time of their start."""
        yield from self._waiting
        for page in _split(self.executions, _PAGE):
            yield from self._join_ledger(page)

    @cached_property
    def executions(self) -> list[dict[str, Any]]:
        """The executions as `ListExecutions` returns them, newest first."""
        pages = self.target.client("stepfunctions").get_paginator("list_executions")
        executions = [
            execution
            for page in pages.paginate(stateMachineArn=self.target.state_machine_arn)
            for execution in page["executions"]
        ]
        return sorted(executions, key=_get_start, reverse=True)

    @cached_property
    def _waiting(self) -> list[Run]:
        """The claimed runs without an execution, newest claim first."""
        started = {execution["name"] for execution in self.executions}
        runs = [
            Run(run.run_id, run.batch, WAITING, claimed_at=run.claimed_at)
            for batch in BatchLedger(self.target.ledger).list_open_batches()
            for run in batch.claimed_runs
            if run.run_id not in started
        ]
        return sorted(runs, key=lambda run: run.claimed_at, reverse=True)

    def find(self, run_id: str) -> Run | None:
        """Return a run, or `None` if nothing is known about it.

        A run that Step Functions and the ledger have forgotten is known by its job report alone.
        """
        for run in self._waiting:
            if run.run_id == run_id:
                return run
        execution = self.describe_execution(run_id) or {}
        item = self.target.ledger.get(run_key(run_id))
        if execution or item:
            return build_run(execution, item)
        return self._find_forgotten(run_id)

    def _find_forgotten(self, run_id: str) -> Run | None:
        """Return a run of which only objects in the bucket are left."""
        records = read_publications(self.target).list_of_run(run_id)
        if records:
            record = read_record(self.target, records[0].key)
            batch, claimed_at = str(record.get("batch", "")), str(record.get("claimed_at", ""))
            return Run(run_id, batch, PUBLISHED, claimed_at=claimed_at)
        # It was superseded, or it failed its quality gate. Both mean that readers never saw it.
        return Run(run_id, "", FAILED) if self.read_report(run_id) else None

    def describe_execution(self, run_id: str) -> dict[str, Any] | None:
        """Return the response of `DescribeExecution`, or `None` if there is no such execution."""
        stepfunctions = self.target.client("stepfunctions")
        try:
            description: dict[str, Any] = stepfunctions.describe_execution(
                executionArn=self.target.get_execution_arn(run_id)
            )
        except ClientError as error:
            if error_code(error) in _MISSING_EXECUTION:
                return None
            raise
        return description

    def list_ids_with_prefix(self, prefix: str) -> list[str]:
        """Return the IDs of all runs that begin with a text, newest first as far as known."""
        ids = [run.run_id for run in self._waiting]
        ids += [execution["name"] for execution in self.executions]
        pages = self.target.client("s3").get_paginator("list_objects_v2")
        for page in pages.paginate(
            Bucket=self.target.bucket, Prefix=f"{_REPORTS_PREFIX}{prefix}", Delimiter="/"
        ):
            for entry in page.get("CommonPrefixes", []):
                ids.append(entry["Prefix"].removeprefix(_REPORTS_PREFIX).rstrip("/"))
        return list(dict.fromkeys(run_id for run_id in ids if run_id.startswith(prefix)))

    def read_report(self, run_id: str) -> TransformationReport | None:
        """Return what a run counted, or `None` if its transformation job has not finished."""
        key = job_report_key(TRANSFORMATION_JOB, run_id)
        s3 = self.target.client("s3")
        try:
            text = s3.get_object(Bucket=self.target.bucket, Key=key)["Body"].read().decode()
        except ClientError as error:
            if error_code(error) == "NoSuchKey":
                return None
            raise
        try:
            return TransformationReport.from_json(text)
        except ValueError:  # the quality gate has refused it
            return None

    def read_reports(self, run_ids: Sequence[str]) -> dict[str, TransformationReport]:
        """Return what several runs counted, by run ID. Runs without a report are left out."""
        unique = list(dict.fromkeys(run_ids))
        self.target.client("s3")  # created once, before the threads share it
        with ThreadPoolExecutor(_THREADS) as threads:
            reports = list(threads.map(self.read_report, unique))
        return {run_id: report for run_id, report in zip(unique, reports, strict=True) if report}

    def _join_ledger(self, executions: Sequence[dict[str, Any]]) -> Iterator[Run]:
        keys = [run_key(execution["name"]) for execution in executions]
        items = self.target.ledger.get_many(keys)
        for execution, key in zip(executions, keys, strict=True):
            yield build_run(execution, items.get(key, {}))


def _get_start(execution: dict[str, Any]) -> datetime:
    start: datetime = execution["startDate"]
    return start


def _split(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for first in range(0, len(values), size):
        yield values[first : first + size]
