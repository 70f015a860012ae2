"""The reports of a run's two jobs, as they are in the bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from contract.layout import KPI_JOB, TRANSFORMATION_JOB, job_report_key
from contract.reports import KpiReport, TransformationReport
from pipeline.aws.clients import error_code
from pipeline.errors import RunRejectedError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Report = TypeVar("Report")

_JOB_NAMES = {TRANSFORMATION_JOB: "transformation job", KPI_JOB: "KPI job"}


@dataclass(frozen=True)
class JobReports:
    """What each job of a run counted."""

    transformation: TransformationReport
    kpis: KpiReport


def read_job_reports(s3: S3Client, bucket: str, run_id: str) -> JobReports:
    """Read the reports of both jobs.

    Args:
        s3: The S3 client.
        bucket: Name of the data bucket.
        run_id: ID of the run.

    Raises:
        RunRejectedError: A report is missing or invalid. The message names each problem.
    """
    problems: list[str] = []

    def read(job: str, parse: Callable[[str], Report]) -> Report | None:
        key = job_report_key(job, run_id)
        try:
            return parse(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
        except ClientError as error:
            if error_code(error) != "NoSuchKey":
                raise
            problems.append(f"the {_JOB_NAMES[job]} did not finish: it wrote no report to {key}")
        except ValueError as error:
            problems.append(f"{key} is not a valid report of the {_JOB_NAMES[job]}: {error}")
        return None

    transformation = read(TRANSFORMATION_JOB, TransformationReport.from_json)
    kpis = read(KPI_JOB, KpiReport.from_json)
    if transformation is None or kpis is None:
        raise RunRejectedError(f"run {run_id}: {'; '.join(problems)}")
    return JobReports(transformation, kpis)
