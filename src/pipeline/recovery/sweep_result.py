"""What a sweep of the watchdog found and did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.errors import PipelineError


class SweepError(PipelineError):
    """A part of the sweep failed. All other parts were completed."""


@dataclass(frozen=True)
class SweepProblem:
    """A part of a sweep that failed.

    Attributes:
        subject: What the part was about, such as `cluster j-1`.
        log_keys: The cluster, run, or batch, for the log.
        error: The error.
    """

    subject: str
    log_keys: Mapping[str, str]
    error: Exception


@dataclass
class SweepResult:
    """What a sweep found and did.

    Attributes:
        terminated_clusters: The run ID of each terminated cluster, by cluster ID. The run ID is
            empty if the cluster has no run tag.
        ended_runs: IDs of the runs whose end was recorded or reported.
        started_runs: IDs of the runs that were started.
        incomplete_batches: Prefixes of the batches that were reported as incomplete.
        summarized_hour: The hour whose summary was sent. None if none was due.
        unchecked_batches: Number of open batches that there was no time for.
        has_subscriber: Whether a subscription is confirmed. None if unknown.
        is_newly_without_subscriber: Whether this sweep is the first without a confirmed
            subscription.
        problems: The parts that failed.
    """

    terminated_clusters: dict[str, str] = field(default_factory=dict)
    ended_runs: list[str] = field(default_factory=list)
    started_runs: list[str] = field(default_factory=list)
    incomplete_batches: list[str] = field(default_factory=list)
    summarized_hour: str | None = None
    unchecked_batches: int = 0
    has_subscriber: bool | None = None
    is_newly_without_subscriber: bool = False
    problems: list[SweepProblem] = field(default_factory=list)

    @contextmanager
    def record_problem(self, subject: str, **log_keys: str) -> Iterator[None]:
        """Record an error in a part of the sweep, so that it does not stop the other parts.

        Args:
            subject: What the part is about, such as `cluster j-1`.
            log_keys: The cluster, run, or batch, for the log.
        """
        try:
            yield
        except Exception as error:  # noqa: BLE001 - recorded, and raised after the sweep
            self.problems.append(SweepProblem(subject, log_keys, error))

    def raise_on_problems(self) -> None:
        """Raise an error that names every part that failed, if any did.

        Raises:
            SweepError: A part of the sweep failed.
        """
        if self.problems:
            raise SweepError(
                "; ".join(f"{part.subject}: {type(part.error).__name__}" for part in self.problems)
            )
