"""Batches that become complete all day, and what each of their runs uses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from cli.scale import assumptions
from cli.scale.queueing import SlotLoad, compute_slot_load
from cli.scale.run_estimate import Parameters, RunEstimate, estimate_run
from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES

TABLES = len(DATASETS) + len(KPI_TABLES)
FILES = len(DATASETS)
SWEEP_SECONDS = 600


@dataclass(frozen=True)
class DailyLoad:
    """Batches that become complete all day, or in some hours of the day.

    Attributes:
        batches: Number of batches in a day.
        rentals: Number of rentals in each batch.
        parameters: The parameters of the template.
        hours: Number of hours in which the batches become complete.
    """

    batches: int
    rentals: int
    parameters: Parameters
    hours: float = 24

    @cached_property
    def run(self) -> RunEstimate:
        """The estimate of each run."""
        return estimate_run(self.rentals, self.parameters)

    @property
    def rate(self) -> float:
        """Number of batches that become complete in a second."""
        return self.batches / (self.hours * 3600)

    @cached_property
    def slots(self) -> SlotLoad:
        """The load of the slots."""
        return compute_slot_load(
            self.rate, self.run.run_seconds, self.parameters.max_concurrent_runs
        )

    @property
    def active_clusters(self) -> float:
        """Average number of clusters."""
        return self.rate * self.run.cluster_seconds

    @property
    def runs_per_crawl(self) -> float:
        """Number of runs that wait for the same crawl, and then publish at the same time."""
        return max(1.0, self.rate * assumptions.CRAWL_SECONDS.value)
