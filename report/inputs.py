"""What a report is built from: everything that was asked, counted, and recorded about a run.

The page carries its inputs as data, so that `./run report --check` can ask again and compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from contract.reports import DatasetCounts, KpiReport, TableTotals, TransformationReport

SCHEMA = "rental-kpi.report/1"
"""The name and version of the data in a page."""

Row = dict[str, str | None]
"""One row of an answer: exact numbers and dates as text, by column name."""
Answers = Mapping[str, list[Row]]
"""The rows of each answer, by the name of its query."""


@dataclass(frozen=True)
class InputFile:
    """A file that the run read.

    Attributes:
        dataset: Name of the dataset.
        name: Key of the object, or name of the local file.
        version: Version ID of the object, or the time when the local file was last modified.
        size: Size in bytes.
    """

    dataset: str
    name: str
    version: str
    size: int


@dataclass(frozen=True)
class RunStep:
    """A state of the execution, or a phase of a local job.

    Attributes:
        name: Name of the state, or description of the phase.
        start: Seconds from the start of the run until the step started.
        seconds: Duration in seconds.
        count: How many times the step was entered.
    """

    name: str
    start: float
    seconds: float
    count: int = 1


@dataclass(frozen=True)
class PastRun:
    """An earlier run, or this one, as one of the last runs.

    Attributes:
        run_id: ID of the run.
        time: When it was published or completed, ISO 8601 in UTC.
        revenue: Revenue of its accepted rentals, with two decimal places.
        rentals: Numbers of rentals in its input.
        warnings: Number of its accepted rentals with each warning.
    """

    run_id: str
    time: str
    revenue: str
    rentals: DatasetCounts
    warnings: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportInputs:
    """The inputs of a report.

    Attributes:
        run_id: ID of the run.
        batch: Name of the batch, or of the local folder.
        claimed_at: When the run was claimed or started, ISO 8601 in UTC.
        written_at: When these inputs were collected, ISO 8601 in UTC.
        is_local: Whether `./run jobs` processed the batch on one machine.
        files: The files that the run read.
        transformation: What the transformation job counted.
        kpis: What the KPI job counted.
        max_rejected_percent: The largest share of rejected rentals that is published, if any.
        previous_run_id: ID of the run with which this one is compared, if any.
        past_runs: The last runs, the oldest first. This run is the last one.
        steps: What the run did until the report was written.
        answers: The answers to the queries.
    """

    run_id: str
    batch: str
    claimed_at: str
    written_at: str
    is_local: bool
    files: tuple[InputFile, ...]
    transformation: TransformationReport
    kpis: KpiReport
    max_rejected_percent: str | None
    previous_run_id: str | None
    past_runs: tuple[PastRun, ...]
    steps: tuple[RunStep, ...]
    answers: Answers

    def to_dict(self) -> dict[str, Any]:
        """Return the inputs as JSON values."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, content: Any) -> ReportInputs:
        """Parse what `to_dict` returned.

        Raises:
            ValueError: The content is of another schema, or invalid.
        """
        try:
            return _parse(dict(content))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"missing or invalid content: {error!r}") from error


def _parse(content: dict[str, Any]) -> ReportInputs:
    if content.pop("schema") != SCHEMA:
        raise ValueError(f"the content does not have the schema {SCHEMA}")
    transformation = dict(content.pop("transformation"))
    datasets = transformation.pop("datasets").items()
    kpis = dict(content.pop("kpis"))
    tables = kpis.pop("tables").items()
    return ReportInputs(
        **content
        | {
            "files": tuple(InputFile(**entry) for entry in content["files"]),
            "steps": tuple(RunStep(**entry) for entry in content["steps"]),
            "past_runs": tuple(_parse_past_run(entry) for entry in content["past_runs"]),
        },
        transformation=TransformationReport(
            **transformation,
            datasets={name: DatasetCounts(**counts) for name, counts in datasets},
        ),
        kpis=KpiReport(**kpis, tables={name: TableTotals(**totals) for name, totals in tables}),
    )


def _parse_past_run(entry: dict[str, Any]) -> PastRun:
    return PastRun(**entry | {"rentals": DatasetCounts(**entry["rentals"])})
