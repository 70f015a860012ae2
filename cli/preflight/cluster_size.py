"""The size of the clusters, as the state PinInputs of the state machine computes it."""

from __future__ import annotations

from dataclasses import dataclass

from cli.preflight.plan import Plan


@dataclass(frozen=True)
class ClusterSize:
    """The nodes of a cluster.

    Attributes:
        on_demand_workers: Number of On-Demand workers.
        spot_workers: Number of Spot workers.
    """

    on_demand_workers: int
    spot_workers: int

    @property
    def nodes(self) -> int:
        """Number of nodes, with the primary node."""
        return 1 + self.on_demand_workers + self.spot_workers

    def count_on_demand_vcpus(self, primary_vcpus: int, worker_vcpus: int) -> int:
        """Return the number of On-Demand vCPUs."""
        return primary_vcpus + self.on_demand_workers * worker_vcpus

    def count_spot_vcpus(self, worker_vcpus: int) -> int:
        """Return the number of Spot vCPUs."""
        return self.spot_workers * worker_vcpus


def get_cluster_size(plan: Plan, workers: int) -> ClusterSize:
    """Return the size of a cluster with a number of workers."""
    spot = min(workers - 1, workers * plan.get_number("SpotPercent") // 100)
    return ClusterSize(workers - spot, spot)


def get_smallest_size(plan: Plan) -> ClusterSize:
    """Return the size of the cluster for a small input."""
    return get_cluster_size(plan, 1)


def get_largest_size(plan: Plan) -> ClusterSize:
    """Return the size of the cluster for a large input."""
    return get_cluster_size(plan, plan.get_number("MaxWorkers"))
