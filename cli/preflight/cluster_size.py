"""The sizes of the clusters that a planned deployment can create."""

from __future__ import annotations

from cli.preflight.plan import Plan
from cli.scale.cluster_size import BYTES_PER_WORKER, ClusterSize, compute_cluster_size


def get_cluster_size(plan: Plan, workers: int) -> ClusterSize:
    """Return the size of a cluster with a number of workers."""
    return compute_cluster_size(workers * BYTES_PER_WORKER, workers, plan.get_number("SpotPercent"))


def get_smallest_size(plan: Plan) -> ClusterSize:
    """Return the size of the cluster for a small input."""
    return get_cluster_size(plan, 1)


def get_largest_size(plan: Plan) -> ClusterSize:
    """Return the size of the cluster for a large input."""
    return get_cluster_size(plan, plan.get_number("MaxWorkers"))
