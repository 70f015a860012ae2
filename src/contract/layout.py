"""Where things lie below the bucket or the output folder (data contract, section 5)."""

from __future__ import annotations

import re

from contract.datasets import Dataset
from contract.kpi_tables import KpiTable

TRANSFORMATION_JOB = "transformation"
KPI_JOB = "kpis"

# A run's id is also an execution's name and a folder's: at most 80 plain characters.
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def is_run_id(text: str) -> bool:
    """Whether the text can be a run's id."""
    return _RUN_ID.fullmatch(text) is not None


def below(root: str, key: str) -> str:
    """The URI of a key below a root folder or bucket."""
    return f"{root.rstrip('/')}/{key}"


def curated(dataset: Dataset, run_id: str) -> str:
    """The folder of a run's accepted rows."""
    return f"output/{dataset.name}/run_id={run_id}"


def quarantine(dataset: Dataset, run_id: str) -> str:
    """The folder of a run's rejected rows."""
    return f"quarantine/{dataset.name}/run_id={run_id}"


def kpi_output(table: KpiTable, run_id: str) -> str:
    """The folder of a run's rows of a KPI table."""
    return f"kpi_output/{table.name}/run_id={run_id}"


def report(job: str, run_id: str) -> str:
    """The file with what a job counted; its presence means that the job is complete."""
    return f"runs/{run_id}/{job}.json"
