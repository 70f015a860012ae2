"""The planned deployment: the values of its parameters, and the size of its clusters."""

from __future__ import annotations

import pytest

from cli.aws.stack import Stack
from cli.preflight.cluster_size import get_cluster_size, get_largest_size, get_smallest_size
from cli.preflight.plan import check_parameters, make_plan
from local.errors import UserError
from tests.infra.support.example_run import GIB, ExampleRun

DEPLOYED = Stack(
    "rental-kpi",
    {},
    {"SubnetId": "subnet-old", "MaxWorkers": "3", "NotificationEmail": "a@example.com", "Old": "x"},
)


def test_defaults_come_from_the_template() -> None:
    plan = make_plan("rental-kpi", None, "subnet-1", [])
    assert plan.subnet == "subnet-1"
    assert plan.instance_types == ("m7g.xlarge", "m7g.xlarge")
    assert plan.get_number("MaxConcurrentRuns") == 4
    assert plan.database == "rental_kpi"


def test_deployed_stack_keeps_its_values_unless_they_are_overridden() -> None:
    plan = make_plan("rental-kpi", DEPLOYED, "", ["SpotPercent=0"])
    assert plan.subnet == "subnet-old"
    assert plan.get_number("MaxWorkers") == 3
    assert plan.get_number("SpotPercent") == 0
    assert "Old" not in plan.parameters
    assert make_plan("rental-kpi", DEPLOYED, "subnet-1", []).subnet == "subnet-1"


@pytest.mark.parametrize(
    ("subnet", "override", "message"),
    [
        ("", "MaxWorkers=2", "the subnet of the clusters is missing: specify it with --subnet"),
        ("subnet-1", "MaxWorkers", "'MaxWorkers' is not the value of a parameter: use Name=value"),
        ("subnet-1", "Workers=2", "'Workers=2' is not the value of a parameter: use Name=value"),
        ("subnet-1", "MaxWorkers=two", "MaxWorkers must be a number, but it is 'two'"),
    ],
)
def test_unusable_values_are_explained(subnet: str, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_plan("rental-kpi", None, subnet, [override])


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("EmrRelease=emr-7.0.0", "EmrRelease is 'emr-7.0.0', but it must be emr-7.1.0 or later"),
        ("IncludePersonalData=yes", "but it must be one of true, false"),
        ("MaxWorkers=101", "MaxWorkers is '101', but it must be from 1 to 100"),
    ],
)
def test_values_that_cloudformation_rejects_are_found(override: str, problem: str) -> None:
    [result] = check_parameters(make_plan("rental-kpi", None, "subnet-1", [override]))
    assert result.status == "FAILED"
    assert problem in result.text


def test_defaults_are_accepted() -> None:
    [result] = check_parameters(make_plan("rental-kpi", None, "subnet-1", []))
    assert result.status == "OK"


@pytest.mark.parametrize("spot_percent", [0, 33, 50, 90])
@pytest.mark.parametrize("workers", [1, 2, 3, 10])
def test_cluster_has_the_size_that_the_state_machine_computes(
    workers: int, spot_percent: int
) -> None:
    plan = make_plan("rental-kpi", None, "subnet-1", [f"SpotPercent={spot_percent}"])
    run = ExampleRun(2 * GIB * workers, SpotPercent=str(spot_percent))
    fleets = run.arguments("CreateCluster")["Instances"]["InstanceFleets"]
    size = get_cluster_size(plan, workers)
    assert size.on_demand_workers == fleets[1]["TargetOnDemandCapacity"]
    assert size.spot_workers == (fleets[2]["TargetSpotCapacity"] if len(fleets) > 2 else 0)


def test_vcpus_of_the_default_clusters() -> None:
    """The description of MaxWorkers, the README, and docs/operations.md state these numbers."""
    plan = make_plan("rental-kpi", None, "subnet-1", [])
    smallest, largest = get_smallest_size(plan), get_largest_size(plan)
    assert smallest.count_on_demand_vcpus(4, 4) == 8
    assert (smallest.nodes, largest.nodes) == (2, 11)
    assert (largest.count_on_demand_vcpus(4, 4), largest.count_spot_vcpus(4)) == (24, 20)
