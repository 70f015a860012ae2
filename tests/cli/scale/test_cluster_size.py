"""The size of a cluster: equal to what the state machine computes."""

from __future__ import annotations

import pytest

from cli.scale.cluster_size import BYTES_PER_WORKER, ClusterSize, compute_cluster_size
from tests.infra.support.example_run import GIB, ExampleRun

SIZES = [
    0,
    1,
    BYTES_PER_WORKER - 1,
    BYTES_PER_WORKER,
    BYTES_PER_WORKER + 1,
    7 * GIB + 12_345,
    96_000_000_000,
    500 * GIB + 1,
    960_000_000_000,
    200 * 1024 * GIB,
]


def _get_size_of_state_machine(
    input_bytes: int, max_workers: int, spot_percent: int
) -> ClusterSize:
    run = ExampleRun(input_bytes, MaxWorkers=str(max_workers), SpotPercent=str(spot_percent))
    _, core, *task = run.arguments("CreateCluster")["Instances"]["InstanceFleets"]
    spot = task[0]["TargetSpotCapacity"] if task else 0
    disks = {
        block["VolumeSpecification"]["SizeInGB"]
        for fleet in (core, *task)
        for block in fleet["InstanceTypeConfigs"][0]["EbsConfiguration"]["EbsBlockDeviceConfigs"]
    }
    [disk_gib] = disks
    return ClusterSize(core["TargetOnDemandCapacity"], spot, disk_gib)


@pytest.mark.parametrize("spot_percent", [0, 33, 50, 90])
@pytest.mark.parametrize("max_workers", [1, 2, 3, 10, 45, 100])
def test_size_is_that_of_the_state_machine(max_workers: int, spot_percent: int) -> None:
    for input_bytes in SIZES:
        size = compute_cluster_size(input_bytes, max_workers, spot_percent)
        assert size == _get_size_of_state_machine(input_bytes, max_workers, spot_percent)


def test_size_of_a_billion_rentals() -> None:
    assert compute_cluster_size(96_000_000_000, 10, 50) == ClusterSize(5, 5, 72)
    assert compute_cluster_size(96_000_000_000, 100, 50) == ClusterSize(23, 22, 64)
