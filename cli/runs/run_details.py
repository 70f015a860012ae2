"""Everything that is known about one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from cli.runs.cost import estimate_cost
from cli.runs.publications import Publications
from cli.runs.run import FAILED, Run
from cli.runs.run_reader import RunReader
from cli.runs.states import State, read_states
from contract.datasets import DATASETS
from contract.layout import KPI_JOB, job_report_key, pinned_key
from contract.reports import KpiReport, TransformationReport
from pipeline.aws.clients import error_code
from pipeline.aws.executions import Execution, parse_execution
from pipeline.recovery.failures import Failure, get_failure

_CLUSTER_STATES = ("CreateCluster", "RunJobs", "TerminateCluster", "TerminateClusterAfterFailure")


@dataclass(frozen=True)
class InputFile:
    """The version of a file that a run reads.

    Attributes:
        dataset: Name of the dataset.
        key: Key of the upload.
        version_id: Version of the upload.
        size: Size in bytes.
        pinned_key: Key of the run's own copy.
    """

    dataset: str
    key: str
    version_id: str
    size: int
    pinned_key: str


@dataclass(frozen=True)
class RunDetails:
    """A run with everything that is known about it.

    Attributes:
        run: The run.
        execution: Its execution, or `None` if it has none, or Step Functions has forgotten it.
        states: The states that the execution has entered, in order.
        files: The files that the run reads. Empty if the execution is unknown.
        report: What the transformation job counted, or `None` if it has not finished.
        kpi_report: What the KPI job counted, or `None` if it has not finished.
        failure: Why the run failed, or `None` if it has not.
        published_at: The times at which the run became visible to readers.
        cost: What its cluster costs in US dollars, or `None` if that is unknown.
    """

    run: Run
    execution: Execution | None
    states: Sequence[State]
    files: Sequence[InputFile]
    report: TransformationReport | None
    kpi_report: KpiReport | None
    failure: Failure | None
    published_at: Sequence[str]
    cost: Decimal | None


def read_details(
    reader: RunReader, run: Run, publications: Publications, now: datetime
) -> RunDetails:
    """Read everything that is known about a run.

    Args:
        reader: Reads the runs.
        run: The run.
        publications: The publication records.
        now: The current time, for the cost of a cluster that is still running.
    """
    description = reader.describe_execution(run.run_id)
    execution = parse_execution(description) if description else None
    states = read_states(reader.target.client("stepfunctions"), execution.arn) if execution else []
    files = list_files(run.run_id, execution.input if execution else {})
    return RunDetails(
        run,
        execution,
        states,
        files,
        reader.read_report(run.run_id),
        _read_kpi_report(reader, run.run_id),
        _get_failure(run, execution),
        [record.published_at for record in publications.list_of_run(run.run_id)],
        _estimate_cost(reader, states, files, now),
    )


def list_files(run_id: str, execution_input: Mapping[str, Any]) -> list[InputFile]:
    """Return the files that a run reads, from the input of its execution.

    Entries that a person wrote in another form are left out.
    """
    datasets = {dataset.name: dataset for dataset in DATASETS}
    entries = execution_input.get("files")
    return [
        InputFile(
            entry["dataset"],
            str(entry.get("key", "")),
            str(entry.get("version_id", "")),
            int(entry.get("size", 0)),
            pinned_key(datasets[entry["dataset"]], run_id),
        )
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and entry.get("dataset") in datasets
    ]


def _read_kpi_report(reader: RunReader, run_id: str) -> KpiReport | None:
    s3 = reader.target.client("s3")
    key = job_report_key(KPI_JOB, run_id)
    try:
        text = s3.get_object(Bucket=reader.target.bucket, Key=key)["Body"].read().decode()
        return KpiReport.from_json(text)
    except ClientError as error:
        if error_code(error) != "NoSuchKey":
            raise
    except ValueError:  # the quality gate has refused it
        pass
    return None


def _get_failure(run: Run, execution: Execution | None) -> Failure | None:
    if run.status != FAILED:
        return None
    if execution and execution.status != "RUNNING":
        return get_failure(execution)
    return Failure("", run.error, run.cause)


def _estimate_cost(
    reader: RunReader, states: Sequence[State], files: Sequence[InputFile], now: datetime
) -> Decimal | None:
    if reader.target.is_local:
        return Decimal("0.00")
    seconds = sum(state.seconds_at(now) for state in states if state.name in _CLUSTER_STATES)
    size = sum(file.size for file in files)
    return estimate_cost(size, seconds, reader.target.stack.parameters) if states else None
