"""The cluster that a run asks for: its size, how its two jobs share it, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any
from urllib.parse import urlsplit

import pytest

from contract import layout
from tests.infra import asl
from tests.infra.asl_run import GIB, RUN_ID, Run, problems

# Of the smallest nodes that are of use, in GiB, and what of it EMR gives to YARN: a primary that is
# an m7g.xlarge, and a worker that is an m7g.xlarge too ("Hadoop daemon configuration settings").
PRIMARY_MEMORY = 16
WORKER_MEMORY_OF_YARN = 12
WORKER_CORES = 4
# In client mode: spark.yarn.am.memory and its overhead, by default.
MASTER_MEMORY = 0.875
# What Spark on EMR adds to an executor's memory ("spark.executor.memoryOverheadFactor").
WITH_OVERHEAD = 1.1875
JOBS = 2


@pytest.fixture(scope="module")
def run() -> Run:
    return Run()


def _workers(request: Mapping[str, Any]) -> tuple[int, int]:
    """How many On-Demand and Spot workers a request for a cluster asks for."""
    fleets = {fleet["InstanceFleetType"]: fleet for fleet in request["Instances"]["InstanceFleets"]}
    assert fleets["MASTER"]["TargetOnDemandCapacity"] == 1
    spot = fleets["TASK"]["TargetSpotCapacity"] if "TASK" in fleets else 0
    return fleets["CORE"]["TargetOnDemandCapacity"], spot


@pytest.mark.parametrize("spot_share", [0, 33, 60, 100])
@pytest.mark.parametrize("largest", [1, 2, 10])
@pytest.mark.parametrize("size", [0, 1, 2 * GIB, 2 * GIB + 1, 9 * GIB, 500 * GIB])
def test_the_cluster_fits_its_input_and_its_limits(
    size: int, largest: int, spot_share: int
) -> None:
    run = Run(size, MaxWorkers=str(largest), SpotPercent=str(spot_share))
    request = run.arguments("CreateCluster")
    assert problems("emr", "RunJobFlow", request) == ""

    on_demand, spot = _workers(request)
    workers = min(largest, max(1, ceil(size / (2 * GIB))))
    assert on_demand + spot == workers
    assert on_demand >= 1
    assert spot <= workers * spot_share / 100
    assert spot == workers - 1 or spot > workers * spot_share / 100 - 1
    assert request["ManagedScalingPolicy"]["ComputeLimits"] == {
        "UnitType": "InstanceFleetUnits",
        "MinimumCapacityUnits": 1,
        "MaximumCapacityUnits": workers,
        "MaximumOnDemandCapacityUnits": on_demand,
        "MaximumCoreCapacityUnits": on_demand,
    }


@pytest.mark.parametrize(("size", "gib"), [(0, 64), (9 * GIB, 64), (100 * GIB, 80), (10**16, 1024)])
def test_disks_grow_with_each_workers_share_of_the_input(size: int, gib: int) -> None:
    fleets = Run(size).arguments("CreateCluster")["Instances"]["InstanceFleets"]
    for fleet in fleets[1:]:
        (kind,) = fleet["InstanceTypeConfigs"]
        (disk,) = kind["EbsConfiguration"]["EbsBlockDeviceConfigs"]
        assert disk["VolumeSpecification"]["SizeInGB"] == gib


def test_the_cluster_keeps_the_rules_of_two_steps_at_once(run: Run) -> None:
    request = run.arguments("CreateCluster")
    assert request["StepConcurrencyLevel"] == 2
    assert request["Instances"]["KeepJobFlowAliveWhenNoSteps"] is True
    assert "Steps" not in request
    for name in ("RunTransformation", "RunKpis"):
        assert run.arguments(name)["Step"]["ActionOnFailure"] == "CONTINUE"


def test_the_cluster_can_be_found_by_its_tags(run: Run) -> None:
    tags = {tag["Key"]: tag["Value"] for tag in run.arguments("CreateCluster")["Tags"]}
    assert tags == {
        "run": RUN_ID,
        "stack": asl.SUBSTITUTIONS["StackName"],
        "for-use-with-amazon-emr-managed-policies": "true",
    }


def test_driver_and_executors_take_python_3_11(run: Run) -> None:
    configurations = run.arguments("CreateCluster")["Configurations"]
    (environment,) = [c for c in configurations if c["Classification"] == "spark-env"]
    exported = environment["Configurations"][0]["Properties"]
    assert set(exported) == {"PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"}
    assert set(exported.values()) == {"/usr/bin/python3.11"}


def _properties(request: Mapping[str, Any], classification: str) -> dict[str, str]:
    [found] = [c for c in request["Configurations"] if c["Classification"] == classification]
    properties: dict[str, str] = found["Properties"]
    return properties


def _gib(memory: str) -> int:
    assert memory.endswith("g")
    return int(memory[:-1])


def test_both_drivers_fit_the_primary(run: Run) -> None:
    """They run there, beside the services of the cluster, which get as much as both of them."""
    spark = _properties(run.arguments("CreateCluster"), "spark-defaults")
    driver = _gib(spark["spark.driver.memory"])
    assert driver >= 1
    assert JOBS * driver * WITH_OVERHEAD <= PRIMARY_MEMORY / 2


def test_both_jobs_work_at_once_on_a_single_worker(run: Run) -> None:
    """A small input gets one; a job that got no executor there would wait for the other's end."""
    spark = _properties(run.arguments("CreateCluster"), "spark-defaults")
    executor = _gib(spark["spark.executor.memory"]) * WITH_OVERHEAD
    assert JOBS * (executor + MASTER_MEMORY) <= WORKER_MEMORY_OF_YARN
    assert JOBS * int(spark["spark.executor.cores"]) <= WORKER_CORES


def test_neither_job_keeps_the_other_from_starting_or_takes_all(run: Run) -> None:
    """By default a tenth of YARN's memory is for application masters: one's, on a single worker."""
    yarn = _properties(run.arguments("CreateCluster"), "capacity-scheduler")
    share = float(yarn["yarn.scheduler.capacity.maximum-am-resource-percent"])
    assert share * WORKER_MEMORY_OF_YARN >= JOBS * MASTER_MEMORY
    assert share <= 0.5
    assert yarn["yarn.scheduler.capacity.root.default.ordering-policy"] == "fair"


def test_spot_capacity_that_does_not_come_is_replaced_and_ends_no_run() -> None:
    """The time-out of a step runs meanwhile, so it is minutes."""
    request = Run(500 * GIB).arguments("CreateCluster")
    [task] = [f for f in request["Instances"]["InstanceFleets"] if "TargetSpotCapacity" in f]
    assert task["InstanceFleetType"] == "TASK"  # HDFS lies on the core nodes
    spot = task["LaunchSpecifications"]["SpotSpecification"]
    assert spot["TimeoutAction"] == "SWITCH_TO_ON_DEMAND"
    assert 5 <= spot["TimeoutDurationMinutes"] <= 30


def test_a_node_is_of_the_type_that_was_asked_for_and_counts_as_one() -> None:
    for fleet in Run(500 * GIB).arguments("CreateCluster")["Instances"]["InstanceFleets"]:
        [kind] = fleet["InstanceTypeConfigs"]
        is_primary = fleet["InstanceFleetType"] == "MASTER"
        name = "PrimaryInstanceType" if is_primary else "WorkerInstanceType"
        assert kind["InstanceType"] == asl.SUBSTITUTIONS[name]
        assert kind.get("WeightedCapacity", 1) == 1


def test_the_cluster_is_what_the_template_says(run: Run) -> None:
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


def test_a_cluster_that_nobody_ends_ends_itself(run: Run) -> None:
    """Within an hour, and not between its start and its steps, which are added meanwhile."""
    assert 600 <= run.arguments("CreateCluster")["AutoTerminationPolicy"]["IdleTimeout"] <= 3600


def test_nothing_keeps_a_cluster_from_being_ended(run: Run) -> None:
    """Protected, it would outlive the state machine, its own policy and the watchdog."""
    assert run.arguments("CreateCluster")["Instances"]["TerminationProtected"] is False


def test_the_watchdog_and_people_see_the_cluster(run: Run) -> None:
    """Otherwise its maker alone does, which is the state machine's role."""
    assert run.arguments("CreateCluster")["VisibleToAllUsers"] is True


@pytest.mark.parametrize("name", ["TerminateCluster", "TerminateClusterAfterFailure"])
def test_the_cluster_that_was_made_is_the_one_that_is_ended(name: str, run: Run) -> None:
    assert run.arguments(name) == {"ClusterId": "j-1"}


def test_the_logs_lie_where_the_failure_report_looks() -> None:
    uri = Run(0).arguments("CreateCluster")["LogUri"]
    assert layout.step_logs_prefix("j-1", "s-1") == urlsplit(uri).path.strip("/") + "/j-1/steps/s-1"
