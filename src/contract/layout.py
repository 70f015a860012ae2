"""Keys and prefixes below the bucket or the output folder."""

from __future__ import annotations

import re
from dataclasses import dataclass

from contract.datasets import DATASETS, Dataset
from contract.kpi_tables import KpiTable
from contract.text import has_control_characters

RAW_PREFIX = "raw/"
VERIFICATION_PREFIX = "verification/"
"""The prefix of the batches of `./run verify`, which no event rule and no schedule looks at."""
PUBLISHED_RUNS_PREFIX = "published_runs/"
CLUSTER_LOGS_PREFIX = "logs/emr/"
TRANSFORMATION_JOB = "transformation"
KPI_JOB = "kpis"
REPORT_PAGE = "report.html"
"""The report page of a run, below `reports/<run>/`."""
JOBS_ZIP = "jobs.zip"
"""The archive below a release's scripts prefix with the modules that the jobs import."""

# A run ID is also the name of an execution, which Step Functions limits to 80 characters, and part
# of a folder name.
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_UPLOAD_KEY = re.compile(rf"(?P<batch_prefix>{RAW_PREFIX}(?:[^/]+/)?)(?P<file>[^/]+)")


def is_run_id(text: str) -> bool:
    """Return whether the text is a valid run ID."""
    return _RUN_ID.fullmatch(text) is not None


def join_uri(root: str, key: str) -> str:
    """Return the URI of a key below a root folder or bucket."""
    return f"{root.rstrip('/')}/{key}"


def curated_prefix(dataset: Dataset, run_id: str) -> str:
    """Return the prefix of a run's accepted rows of a dataset."""
    return f"output/{dataset.name}/run_id={run_id}"


def quarantine_prefix(dataset: Dataset, run_id: str) -> str:
    """Return the prefix of a run's rejected rows of a dataset."""
    return quarantine_pattern(run_id).replace("<dataset>", dataset.name)


def quarantine_pattern(run_id: str) -> str:
    """Return the prefix of a run's rejected rows, with `<dataset>` in place of a dataset's name."""
    return f"quarantine/<dataset>/run_id={run_id}"


def kpi_prefix(table: KpiTable, run_id: str) -> str:
    """Return the prefix of a run's rows of a KPI table."""
    return f"kpi_output/{table.name}/run_id={run_id}"


def job_report_key(job: str, run_id: str) -> str:
    """Return the key of a job's report, which exists only if the job is complete.

    Args:
        job: `TRANSFORMATION_JOB` or `KPI_JOB`.
        run_id: The run ID.
    """
    return f"runs/{run_id}/{job}.json"


def pinned_prefix(run_id: str) -> str:
    """Return the prefix of a run's pinned input."""
    return f"batches/run_id={run_id}"


def pinned_key(dataset: Dataset, run_id: str) -> str:
    """Return the key of a dataset's file in a run's pinned input."""
    return f"{pinned_prefix(run_id)}/{dataset.file}"


def publication_key(published_at: str, run_id: str) -> str:
    """Return the key of a publication record.

    Readers see the run of the newest record. The views read the time of publication from the
    content of the record, which contains the same time. The key has no colons, because not every
    tool accepts them in the name of a file.

    Args:
        published_at: The time of publication, in UTC, as text that sorts chronologically.
        run_id: The run ID.
    """
    return f"{PUBLISHED_RUNS_PREFIX}{published_at.replace(':', '-')}-{run_id}.json"


def run_report_key(run_id: str, name: str) -> str:
    """Return the key of a file of a run's report."""
    return f"reports/{run_id}/{name}"


def report_page_key(run_id: str) -> str:
    """Return the key of the page of a run's report, which does not exist if writing it failed."""
    return run_report_key(run_id, "report.html")


def step_logs_prefix(cluster_id: str, step_id: str) -> str:
    """Return the prefix of a step's EMR logs, which is below the LogUri of the state machine."""
    return f"{CLUSTER_LOGS_PREFIX}{cluster_id}/steps/{step_id}"


def scripts_prefix(release: str) -> str:
    """Return the prefix of a release's Spark scripts."""
    return f"emr-scripts/{release}"


@dataclass(frozen=True)
class UploadLocation:
    """The batch and the dataset that a valid upload key identifies.

    Attributes:
        batch_prefix: The batch prefix, such as `raw/` or `raw/2026-11/`.
        dataset: The dataset that the file contains.
    """

    batch_prefix: str
    dataset: Dataset


def is_batch_prefix(text: str) -> bool:
    """Return whether the text is a batch prefix, such as `raw/` or `raw/2026-11/`."""
    return parse_upload_key(f"{text}{DATASETS[0].file}") is not None and text.endswith("/")


def parse_upload_key(key: str) -> UploadLocation | None:
    """Parse a key of the form `raw/<file>` or `raw/<batch name>/<file>`.

    Returns:
        The location, or `None` if the key does not have this form, the file name belongs to no
        dataset, or the batch name contains control or bidirectional-formatting characters.
    """
    match = None if has_control_characters(key) else _UPLOAD_KEY.fullmatch(key)
    file = match["file"] if match else None
    dataset = next((dataset for dataset in DATASETS if dataset.file == file), None)
    return UploadLocation(match["batch_prefix"], dataset) if match and dataset else None
