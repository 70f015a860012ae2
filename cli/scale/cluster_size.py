"""The size of a cluster, as the state PinInputs of the state machine computes it.

`tests/cli/scale/test_cluster_size.py` compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2**30
BYTES_PER_WORKER = 2 * GIB
_DISK_FACTOR = 8
_MIN_DISK_GIB, _MAX_DISK_GIB = 64, 1024


@dataclass(frozen=True)
class ClusterSize:
    """The nodes of a cluster.

    Attributes:
        on_demand_workers: Number of On-Demand workers.
        spot_workers: Number of Spot workers.
        disk_gib: Size of the disk of each worker in GiB.
    """

    on_demand_workers: int
    spot_workers: int
    disk_gib: int

    @property
    def workers(self) -> int:
        """Number of workers."""
        return self.on_demand_workers + self.spot_workers

    @property
    def nodes(self) -> int:
        """Number of nodes, with the primary node."""
        return 1 + self.workers

    def count_on_demand_vcpus(self, primary_vcpus: int, worker_vcpus: int) -> int:
        """Return the number of On-Demand vCPUs."""
        return primary_vcpus + self.on_demand_workers * worker_vcpus

    def count_spot_vcpus(self, worker_vcpus: int) -> int:
        """Return the number of Spot vCPUs."""
        return self.spot_workers * worker_vcpus


def compute_cluster_size(input_bytes: int, max_workers: int, spot_percent: int) -> ClusterSize:
    """Return the size of the cluster for an input.

    Args:
        input_bytes: Size of the four input files in bytes.
        max_workers: The template parameter `MaxWorkers`.
        spot_percent: The template parameter `SpotPercent`.
    """
    workers = min(max_workers, max(1, -(-input_bytes // BYTES_PER_WORKER)))
    spot = min(workers - 1, workers * spot_percent // 100)
    disk_gib = -(-_DISK_FACTOR * input_bytes // (workers * GIB))
    return ClusterSize(workers - spot, spot, min(_MAX_DISK_GIB, max(_MIN_DISK_GIB, disk_gib)))
