"""The cluster of a run: its size, how the two jobs share it, and how it terminates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import ceil
from typing import Any
from urllib.parse import urlsplit

import pytest

from contract import layout
from tests.infra.support import asl
from tests.infra.support.example_run import GIB, RUN_ID, ExampleRun, validation_errors
from tests.infra.support.template import template

# The smallest useful nodes are m7g.xlarge instances. Memory is in GiB. For the share of YARN, see
# "Task configuration" in the EMR Release Guide: three quarters of the memory of these types.
PRIMARY_MEMORY = 16
YARN_MEMORY = {"m7g.large": 6, "m7g.xlarge": 12, "m7g.2xlarge": 24}
WORKER_YARN_MEMORY = YARN_MEMORY["m7g.xlarge"]
WORKER_CORES = 4
# The default of spark.yarn.am.memory, which applies in client mode, plus its overhead.
APPLICATION_MASTER_MEMORY = 0.875
# The memory of an executor including the overhead of Spark on EMR
# ("spark.executor.memoryOverheadFactor"), relative to the configured memory.
OVERHEAD_FACTOR = 1.1875
JOBS = 2


@pytest.fixture(scope="module")
def run() -> ExampleRun:
    return ExampleRun()


def _worker_counts(request: Mapping[str, Any]) -> tuple[int, int]:
    """Return the numbers of On-Demand and Spot workers that a request asks for."""
    fleets = {fleet["InstanceFleetType"]: fleet for fleet in request["Instances"]["InstanceFleets"]}
    assert fleets["MASTER"]["TargetOnDemandCapacity"] == 1
    spot = fleets["TASK"]["TargetSpotCapacity"] if "TASK" in fleets else 0
    return fleets["CORE"]["TargetOnDemandCapacity"], spot


@pytest.mark.parametrize("spot_percent", [0, 33, 60, 100])
@pytest.mark.parametrize("max_workers", [1, 2, 10])
@pytest.mark.parametrize("input_bytes", [0, 1, 2 * GIB, 2 * GIB + 1, 9 * GIB, 500 * GIB])
def test_cluster_size_follows_input_size_and_limits(
    input_bytes: int, max_workers: int, spot_percent: int
) -> None:
    run = ExampleRun(input_bytes, MaxWorkers=str(max_workers), SpotPercent=str(spot_percent))
    request = run.arguments("CreateCluster")
    assert validation_errors("emr", "RunJobFlow", request) == ""

    on_demand, spot = _worker_counts(request)
    workers = min(max_workers, max(1, ceil(input_bytes / (2 * GIB))))
    assert on_demand + spot == workers
    assert on_demand >= 1
    assert spot <= workers * spot_percent / 100
    assert spot == workers - 1 or spot > workers * spot_percent / 100 - 1
    assert request["ManagedScalingPolicy"]["ComputeLimits"] == {
        "UnitType": "InstanceFleetUnits",
        "MinimumCapacityUnits": 1,
        "MaximumCapacityUnits": workers,
        "MaximumOnDemandCapacityUnits": on_demand,
        "MaximumCoreCapacityUnits": on_demand,
    }


@pytest.mark.parametrize(
    ("input_bytes", "disk_gib"), [(0, 64), (9 * GIB, 64), (100 * GIB, 80), (10**16, 1024)]
)
def test_disk_size_follows_the_share_of_the_input(input_bytes: int, disk_gib: int) -> None:
    fleets = ExampleRun(input_bytes).arguments("CreateCluster")["Instances"]["InstanceFleets"]
    for fleet in fleets[1:]:
        (instance_type,) = fleet["InstanceTypeConfigs"]
        (disk,) = instance_type["EbsConfiguration"]["EbsBlockDeviceConfigs"]
        assert disk["VolumeSpecification"]["SizeInGB"] == disk_gib


def test_cluster_runs_two_steps_at_once(run: ExampleRun) -> None:
    request = run.arguments("CreateCluster")
    assert request["StepConcurrencyLevel"] == 2
    assert request["Instances"]["KeepJobFlowAliveWhenNoSteps"] is True
    assert "Steps" not in request
    for name in ("RunTransformation", "RunKpis"):
        assert run.arguments(name)["Step"]["ActionOnFailure"] == "CONTINUE"


def test_cluster_has_tags_of_its_run_and_stack(run: ExampleRun) -> None:
    tags = {tag["Key"]: tag["Value"] for tag in run.arguments("CreateCluster")["Tags"]}
    assert tags == {
        "run": RUN_ID,
        "stack": asl.SUBSTITUTIONS["StackName"],
        "for-use-with-amazon-emr-managed-policies": "true",
    }


def test_driver_and_executors_use_python_3_11(run: ExampleRun) -> None:
    configurations = run.arguments("CreateCluster")["Configurations"]
    (environment,) = [c for c in configurations if c["Classification"] == "spark-env"]
    exported = environment["Configurations"][0]["Properties"]
    assert set(exported) == {"PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"}
    assert set(exported.values()) == {"/usr/bin/python3.11"}


def _properties(request: Mapping[str, Any], classification: str) -> dict[str, str]:
    [configuration] = [
        c for c in request["Configurations"] if c["Classification"] == classification
    ]
    properties: dict[str, str] = configuration["Properties"]
    return properties


def _gib(memory: str) -> int:
    assert memory.endswith("g")
    return int(memory[:-1])


def test_both_drivers_fit_on_the_primary_node(run: ExampleRun) -> None:
    """Both drivers together leave half of the memory to the services of the cluster."""
    spark = _properties(run.arguments("CreateCluster"), "spark-defaults")
    driver = _gib(spark["spark.driver.memory"])
    assert driver >= 1
    assert JOBS * driver * OVERHEAD_FACTOR <= PRIMARY_MEMORY / 2


def test_both_jobs_run_at_once_on_a_single_worker(run: ExampleRun) -> None:
    """A small input gets one worker. A job without an executor would wait for the other job."""
    spark = _properties(run.arguments("CreateCluster"), "spark-defaults")
    executor = _gib(spark["spark.executor.memory"]) * OVERHEAD_FACTOR
    assert JOBS * (executor + APPLICATION_MASTER_MEMORY) <= WORKER_YARN_MEMORY
    assert JOBS * int(spark["spark.executor.cores"]) <= WORKER_CORES


def test_default_worker_is_the_smallest_type_for_both_jobs(run: ExampleRun) -> None:
    """The default quota of a new account is 5 vCPUs, so each vCPU counts."""
    spark = _properties(run.arguments("CreateCluster"), "spark-defaults")
    executor = _gib(spark["spark.executor.memory"]) * OVERHEAD_FACTOR
    needed = JOBS * (executor + APPLICATION_MASTER_MEMORY)
    sufficient = [name for name, memory in YARN_MEMORY.items() if memory >= needed]
    assert template()["Parameters"]["WorkerInstanceType"]["Default"] == sufficient[0]


@pytest.mark.parametrize(
    ("label", "is_allowed"),
    [
        ("emr-7.13.0", True),
        ("emr-7.1.0", True),
        ("emr-7.20.1", True),
        ("emr-spark-8.0.0", True),
        ("emr-7.0.0", False),
        ("emr-7.01.0", False),
        ("emr-6.15.0", False),
        ("emr-8.0.0", False),
        ("emr-spark-7.1.0", False),
        ("emr-7.13", False),
        ("7.13.0", False),
    ],
)
def test_release_has_the_python_that_the_steps_name(label: str, is_allowed: bool) -> None:
    """emr-7.0.0 and emr-6.x have no Python 3.11. The jobs are not tested on other releases."""
    pattern = template()["Parameters"]["EmrRelease"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, label)) == is_allowed


def test_jobs_share_the_capacity_of_yarn(run: ExampleRun) -> None:
    """By default, 10% of the memory is for application masters: enough for one on one worker."""
    yarn = _properties(run.arguments("CreateCluster"), "capacity-scheduler")
    share = float(yarn["yarn.scheduler.capacity.maximum-am-resource-percent"])
    assert share * WORKER_YARN_MEMORY >= JOBS * APPLICATION_MASTER_MEMORY
    assert share <= 0.5
    assert yarn["yarn.scheduler.capacity.root.default.ordering-policy"] == "fair"


def test_missing_spot_capacity_is_replaced_by_on_demand_capacity() -> None:
    """The timeout is in minutes, because the timeout of the steps runs at the same time."""
    request = ExampleRun(500 * GIB).arguments("CreateCluster")
    [task] = [f for f in request["Instances"]["InstanceFleets"] if "TargetSpotCapacity" in f]
    assert task["InstanceFleetType"] == "TASK"  # Core nodes store HDFS blocks.
    spot = task["LaunchSpecifications"]["SpotSpecification"]
    assert spot["TimeoutAction"] == "SWITCH_TO_ON_DEMAND"
    assert 5 <= spot["TimeoutDurationMinutes"] <= 30


def test_nodes_have_the_configured_type_and_a_weight_of_one() -> None:
    for fleet in ExampleRun(500 * GIB).arguments("CreateCluster")["Instances"]["InstanceFleets"]:
        [instance_type] = fleet["InstanceTypeConfigs"]
        is_primary = fleet["InstanceFleetType"] == "MASTER"
        name = "PrimaryInstanceType" if is_primary else "WorkerInstanceType"
        assert instance_type["InstanceType"] == asl.SUBSTITUTIONS[name]
        assert instance_type.get("WeightedCapacity", 1) == 1


def test_cluster_uses_the_values_of_the_template(run: ExampleRun) -> None:
    request = run.arguments("CreateCluster")
    assert request["Applications"] == [{"Name": "Spark"}]
    for key, name in (
        ("ReleaseLabel", "EmrRelease"),
        ("ServiceRole", "EmrServiceRole"),
        ("JobFlowRole", "EmrInstanceProfile"),
        ("SecurityConfiguration", "EmrSecurityConfiguration"),
    ):
        assert request[key] == asl.SUBSTITUTIONS[name]
    assert request["Instances"]["Ec2SubnetIds"] == [asl.SUBSTITUTIONS["SubnetId"]]


def test_idle_cluster_terminates_itself(run: ExampleRun) -> None:
    """It does so within an hour, but not while the steps are being added after its start."""
    assert 600 <= run.arguments("CreateCluster")["AutoTerminationPolicy"]["IdleTimeout"] <= 3600


def test_cluster_has_no_termination_protection(run: ExampleRun) -> None:
    """With protection, neither the state machine nor the watchdog could terminate it."""
    assert run.arguments("CreateCluster")["Instances"]["TerminationProtected"] is False


def test_cluster_is_visible_to_all_users(run: ExampleRun) -> None:
    """Otherwise, only the role of the state machine could see it, and not the watchdog."""
    assert run.arguments("CreateCluster")["VisibleToAllUsers"] is True


@pytest.mark.parametrize("name", ["TerminateCluster", "TerminateClusterAfterFailure"])
def test_termination_names_the_created_cluster(name: str, run: ExampleRun) -> None:
    assert run.arguments(name) == {"ClusterId": "j-1"}


def test_cluster_logs_are_stored_where_the_failure_report_reads_them() -> None:
    uri = ExampleRun(0).arguments("CreateCluster")["LogUri"]
    assert layout.step_logs_prefix("j-1", "s-1") == urlsplit(uri).path.strip("/") + "/j-1/steps/s-1"
