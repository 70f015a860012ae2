"""What one run needs, takes, and costs."""

from __future__ import annotations

from dataclasses import dataclass

from cli.scale import assumptions, prices
from cli.scale.cluster_size import GIB, ClusterSize, compute_cluster_size

_MIB = 2**20
# A run waits for a crawl that has already begun, half of it on average, and then for its own.
CRAWLS_TO_WAIT_FOR = 1.5


@dataclass(frozen=True)
class Parameters:
    """Parameters of the template that decide how large and how many clusters are.

    The defaults are those of the template.

    Attributes:
        max_workers: `MaxWorkers`.
        spot_percent: `SpotPercent`.
        max_concurrent_runs: `MaxConcurrentRuns`.
        instance_type: `PrimaryInstanceType` and `WorkerInstanceType`.
    """

    max_workers: int = 10
    spot_percent: int = 50
    max_concurrent_runs: int = 4
    instance_type: str = "m7g.xlarge"

    @property
    def cores_per_worker(self) -> int:
        """Number of cores that the executors of both jobs use on a worker."""
        executors = int(assumptions.YARN_GIB[self.instance_type] // assumptions.EXECUTOR_GIB)
        return min(executors * assumptions.EXECUTOR_CORES, assumptions.VCPUS[self.instance_type])

    @property
    def vcpus(self) -> int:
        """Number of vCPUs of a node."""
        return assumptions.VCPUS[self.instance_type]


@dataclass(frozen=True)
class RunEstimate:
    """What one run needs, takes, and costs.

    Attributes:
        rentals: Number of rentals.
        input_bytes: Size of the four input files in bytes.
        size: Size of the cluster.
        cores: Number of cores that the jobs use.
        pin_seconds: Duration of `PinInputs`.
        job_seconds: Duration of both jobs.
        step_seconds: Duration of `RunJobs`, with the start of the cluster.
        cluster_seconds: Time for which the cluster is paid.
        run_seconds: Duration of the run, in which it has its slot.
        cluster_dollars: Price of the cluster and its disks, as if all nodes were On-Demand.
    """

    rentals: int
    input_bytes: int
    size: ClusterSize
    cores: int
    pin_seconds: float
    job_seconds: float
    step_seconds: float
    cluster_seconds: float
    run_seconds: float
    cluster_dollars: float


def estimate_run(rentals: int, parameters: Parameters) -> RunEstimate:
    """Return what a run with a number of rentals needs, takes, and costs."""
    input_bytes = round(rentals * assumptions.BYTES_PER_RENTAL.value)
    size = compute_cluster_size(input_bytes, parameters.max_workers, parameters.spot_percent)
    cores = size.workers * parameters.cores_per_worker
    pin = 5 + input_bytes / _MIB / assumptions.COPY_MIB_PER_SECOND.value
    jobs = _estimate_job_seconds(rentals, input_bytes, size, cores)
    steps = assumptions.CLUSTER_START_SECONDS.value + jobs
    cluster = steps + assumptions.CLUSTER_END_SECONDS.value
    crawl = CRAWLS_TO_WAIT_FOR * assumptions.CRAWL_SECONDS.value
    return RunEstimate(
        rentals,
        input_bytes,
        size,
        cores,
        pin_seconds=pin,
        job_seconds=jobs,
        step_seconds=steps,
        cluster_seconds=cluster,
        run_seconds=pin + cluster + crawl + assumptions.PUBLICATION_SECONDS.value,
        cluster_dollars=_compute_cluster_dollars(size, cluster, parameters.instance_type),
    )


def _estimate_job_seconds(rentals: int, input_bytes: int, size: ClusterSize, cores: int) -> float:
    core_seconds = (
        rentals
        / 1_000_000
        * assumptions.get_core_seconds_per_million()
        * assumptions.CLUSTER_FACTOR.value
    )
    disk_mib = input_bytes / _MIB * assumptions.DISK_PASSES.value / size.workers
    slowest = max(core_seconds / cores, disk_mib / assumptions.DISK_MIB_PER_SECOND.value)
    return assumptions.SMALL_INPUT_SECONDS.value + slowest


def _compute_cluster_dollars(size: ClusterSize, seconds: float, instance_type: str) -> float:
    hours = seconds / 3600
    hourly = prices.get_hourly_price(instance_type)
    if hourly is None:
        raise ValueError(f"the price of {instance_type} is unknown: add it to cli/scale/prices.py")
    disks = size.workers * size.disk_gib * prices.DISK.dollars / prices.HOURS_PER_MONTH
    return hours * (size.nodes * hourly + disks)


def find_max_rentals(parameters: Parameters, *, step_timeout: float, pin_timeout: float) -> int:
    """Return the largest number of rentals in millions whose run ends before the timeouts.

    Args:
        parameters: The parameters of the template.
        step_timeout: Timeout of a step in seconds.
        pin_timeout: Timeout of `pin_inputs` in seconds.
    """
    low, high = 1, 1_000_000
    while low < high:
        middle = (low + high + 1) // 2
        run = estimate_run(middle * 1_000_000, parameters)
        fits = run.step_seconds < step_timeout and run.pin_seconds < pin_timeout
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def format_gib(size: float) -> str:
    """Return a number of bytes in GiB."""
    return f"{size / GIB:,.1f}"
