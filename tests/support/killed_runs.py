"""An output folder with two complete runs, in which the jobs of further runs are killed."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import boto3
import duckdb
from moto import mock_aws

from contract.layout import KPI_JOB, TRANSFORMATION_JOB, job_report_key
from local.spark.job_runner import JobsRequest
from pipeline.errors import RunRejectedError
from pipeline.publication.job_reports import read_job_reports
from pipeline.publication.quality_gate import check_run
from pipeline.release.spark_package import KPIS, write_spark_package
from sample_data import write_sample
from tests.oracle import compute_expected
from tests.support.comparison import assert_kpis_match, assert_transformation_matches
from tests.support.killed_jobs import JobProcess
from tests.support.results import Row, read_files, read_table

CLEAN_RUN = "clean"
"""The run that all others must equal in the end."""

_FIRST_RUN = "first"
_EARLIER_RENTALS = 100
_BUCKET, _REGION = "bucket", "us-east-1"


@dataclass(frozen=True)
class Job:
    """One way to run one of the two programs.

    Attributes:
        program: The name of the program in `ENTRY_POINTS`.
        report: The name of its report in `contract.layout`.
        folders: The folders that contain its tables.
        options: Further arguments.
    """

    program: str
    report: str
    folders: tuple[str, ...]
    options: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The program and its options."""
        return " ".join([self.program, *self.options])


TRANSFORMATION = Job("transformation_job", TRANSFORMATION_JOB, ("output", "quarantine"))
KPIS_FROM_INPUT = Job(KPIS, KPI_JOB, ("kpi_output",))
# Replaces the KPI tables that the run already has.
KPIS_FROM_CURATED = replace(KPIS_FROM_INPUT, options=("--curated",))
JOBS = (TRANSFORMATION, KPIS_FROM_INPUT, KPIS_FROM_CURATED)
"""The jobs of a run, in an order in which each of them can be complete before the next one."""


@dataclass(frozen=True)
class Lake:
    """An output folder, and the input of its runs.

    Attributes:
        output: The output folder.
        source: The input of all runs except the first one.
        package: ZIP file with the modules that the jobs import.
        phases: For each job, the durations of its phases in the clean run in seconds.
    """

    output: Path
    source: Path
    package: Path
    phases: dict[Job, list[float]]

    @classmethod
    def create(cls, folder: Path, rentals: int, seed: int) -> Lake:
        """Create a lake with two complete runs, of which the clean run matches the oracle.

        Args:
            folder: An empty folder.
            rentals: The number of rentals in the input.
            seed: The seed of the input.
        """
        write_sample(folder / "earlier", rentals=_EARLIER_RENTALS, seed=seed)
        write_sample(folder / "in", rentals=rentals, error_rate=0.05, seed=seed + 1)
        lake = cls(folder / "out", folder / "in", folder / "spark" / "jobs.zip", {})
        write_spark_package(lake.package)
        for job in JOBS:
            lake.complete(job, _FIRST_RUN, folder / "earlier")
            process = lake.complete(job, CLEAN_RUN)
            moments = [*process.phase_starts, time.monotonic()]
            lake.phases[job] = [end - begin for begin, end in pairwise(moments)]
        expected = compute_expected(lake.source)
        assert_transformation_matches(lake.output, CLEAN_RUN, expected)
        assert_kpis_match(lake.output, CLEAN_RUN, expected)
        return lake

    def start(self, job: Job, run_id: str, source: Path | None = None) -> JobProcess:
        """Start a job of a run."""
        request = JobsRequest(source or self.source, self.output, run_id, "1g")
        return JobProcess.start(job.program, request, self.package, job.options)

    def complete(self, job: Job, run_id: str, source: Path | None = None) -> JobProcess:
        """Run a job, which must succeed."""
        process = self.start(job, run_id, source)
        assert process.wait() == 0, "".join(process.log)
        return process

    def has_report(self, job: Job, run_id: str) -> bool:
        """Return whether a run has the report of a job."""
        return (self.output / job_report_key(job.report, run_id)).exists()

    def passes_quality_gate(self, run_id: str) -> bool:
        """Return whether the pipeline would publish a run."""
        with mock_aws():
            s3 = boto3.client("s3", _REGION)
            s3.create_bucket(Bucket=_BUCKET)
            for report in (self.output / "runs" / run_id).glob("*.json"):
                key = report.relative_to(self.output).as_posix()
                s3.put_object(Bucket=_BUCKET, Key=key, Body=report.read_bytes())
            try:
                check_run(run_id, read_job_reports(s3, _BUCKET, run_id), Decimal(100))
            except RunRejectedError:
                return False
        return True

    def read_results(self, job: Job, run_id: str) -> dict[str, object]:
        """Return the report and the sorted rows of all tables that a job wrote."""
        report = json.loads((self.output / job_report_key(job.report, run_id)).read_text())
        assert report.pop("run_id") == run_id
        tables: dict[str, list[Row]] = {
            f"{table.parent.parent.name}/{table.parent.name}": read_table(table)
            for folder in job.folders
            for table in sorted((self.output / folder).glob(f"*/run_id={run_id}"))
        }
        return {"report": report, **tables}

    def read_protected_files(self, job: Job, run_id: str) -> dict[str, bytes]:
        """Return the content of all files except those that a job of a run writes."""
        own_table, own_report = f"/run_id={run_id}/", f"runs/{run_id}/"
        return {
            name: content
            for name, content in read_files(self.output).items()
            if not (own_table in name and name.startswith(job.folders))
            and not (own_report in name and f"{job.report}.json" in name)
        }

    def is_writing(self, run_id: str) -> bool:
        """Return whether a job of a run is writing a table now, or was interrupted meanwhile."""
        return any(self.output.glob(f"*/*/run_id={run_id}/_temporary"))

    def find_unfinished_files(self, run_id: str) -> list[str]:
        """Return the temporary files of a run, which only an interrupted job leaves behind."""
        names = (path.relative_to(self.output).as_posix() for path in self.output.rglob("*"))
        return [
            name
            for name in names
            if run_id in name and ("_temporary" in name or ".json.part" in name)
        ]

    def find_unreadable_files(self, run_id: str) -> list[str]:
        """Return the files of a run that the crawler or a query would read, but could not.

        Both ignore names that begin with a dot or an underscore.
        """
        files = [
            file
            for file in self.output.glob(f"*/*/run_id={run_id}/**/*.parquet")
            if not _is_hidden(file.relative_to(self.output).parts)
        ]
        return [file.name for file in files if not _is_parquet(file)]


def _is_hidden(parts: Sequence[str]) -> bool:
    return any(part.startswith((".", "_")) for part in parts)


def _is_parquet(file: Path) -> bool:
    with duckdb.connect() as database:
        try:
            database.read_parquet(str(file)).fetchall()
        except duckdb.Error:
            return False
    return True
