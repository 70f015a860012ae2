"""The two jobs' reports of a run, read from the bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from botocore.exceptions import ClientError

from contract.layout import KPI_JOB, TRANSFORMATION_JOB, job_report_key
from contract.reports import KpiReport, TransformationReport
from pipeline.aws.clients import client, error_code
from pipeline.errors import RunRejectedError

Report = TypeVar("Report")


@dataclass(frozen=True)
class JobReports:
    """What each of a run's jobs counted."""

    transformation: TransformationReport
    kpis: KpiReport


def read_job_reports(bucket: str, run_id: str) -> JobReports:
    """Both reports of a run; RunRejectedError names each job that wrote none, or none of use."""
    problems: list[str] = []
    transformation = _read(
        bucket, run_id, TRANSFORMATION_JOB, TransformationReport.from_json, problems
    )
    kpis = _read(bucket, run_id, KPI_JOB, KpiReport.from_json, problems)
    if transformation is None or kpis is None:
        raise RunRejectedError("; ".join(problems))
    return JobReports(transformation, kpis)


def _read(
    bucket: str, run_id: str, job: str, parse: Callable[[str], Report], problems: list[str]
) -> Report | None:
    key = job_report_key(job, run_id)
    try:
        return parse(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode())
    except ClientError as error:
        if error_code(error) != "NoSuchKey":
            raise
        problems.append(f"the {job} job wrote no report ({key}), so it did not finish")
    except ValueError as error:
        problems.append(f"{key} is no report of the {job} job: {error}")
    return None
