"""Where things lie below the bucket or the output folder (data contract, section 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from contract.datasets import DATASETS, Dataset
from contract.kpi_tables import KpiTable

RAW_PREFIX = "raw/"
PUBLISHED_RUNS_PREFIX = "published_runs/"
TRANSFORMATION_JOB = "transformation"
KPI_JOB = "kpis"
JOBS_ZIP = "jobs.zip"
"""The modules that the entry points import, below `scripts`."""

# A run's id is also an execution's name and a folder's: at most 80 plain characters.
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_DROPPED = re.compile(rf"(?P<batch>{RAW_PREFIX}(?:[^/]+/)?)(?P<file>[^/]+)")


def is_run_id(text: str) -> bool:
    """Whether the text can be a run's id."""
    return _RUN_ID.fullmatch(text) is not None


def join_uri(root: str, key: str) -> str:
    """The URI of a key below a root folder or bucket."""
    return f"{root.rstrip('/')}/{key}"


def curated_prefix(dataset: Dataset, run_id: str) -> str:
    """The folder of a run's accepted rows."""
    return f"output/{dataset.name}/run_id={run_id}"


def quarantine_prefix(dataset: Dataset, run_id: str) -> str:
    """The folder of a run's rejected rows."""
    return f"quarantine/{dataset.name}/run_id={run_id}"


def kpi_prefix(table: KpiTable, run_id: str) -> str:
    """The folder of a run's rows of a KPI table."""
    return f"kpi_output/{table.name}/run_id={run_id}"


def job_report_key(job: str, run_id: str) -> str:
    """The file with what a job counted; its presence means that the job is complete."""
    return f"runs/{run_id}/{job}.json"


def pinned_prefix(run_id: str) -> str:
    """The folder of the exact file versions that a run reads."""
    return f"batches/run_id={run_id}"


def pinned_key(dataset: Dataset, run_id: str) -> str:
    """The file that a run reads a dataset from."""
    return f"{pinned_prefix(run_id)}/{dataset.file}"


def publication_key(published_at: str, run_id: str) -> str:
    """The pointer object that shows a run to readers; the newest by name is the one that counts.

    The views read the time in the object, which is the one in its name.
    """
    return f"{PUBLISHED_RUNS_PREFIX}{published_at}-{run_id}.json"


def run_report_key(run_id: str, name: str) -> str:
    """A file of what people are told about a run."""
    return f"reports/{run_id}/{name}"


def step_logs_prefix(cluster_id: str, step_id: str) -> str:
    """The folder where EMR puts what a step wrote, below the state machine's LogUri."""
    return f"logs/emr/{cluster_id}/steps/{step_id}"


def scripts_prefix(release: str) -> str:
    """The folder of one release of the Spark jobs."""
    return f"emr-scripts/{release}"


@dataclass(frozen=True)
class UploadLocation:
    """A key below `raw/` as the contract has it: the batch's prefix, and which file it is."""

    batch: str
    dataset: Dataset


def parse_upload_key(key: str) -> UploadLocation | None:
    """What a dropped key stands for: `raw/<file>` or `raw/<batch>/<file>`; null for other names."""
    match = _DROPPED.fullmatch(key)
    file = match["file"] if match else None
    dataset = next((dataset for dataset in DATASETS if dataset.file == file), None)
    return UploadLocation(match["batch"], dataset) if match and dataset else None
