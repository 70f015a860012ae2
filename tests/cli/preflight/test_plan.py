"""The planned deployment: the values of its parameters, and the size of its clusters."""

from __future__ import annotations

import pytest

from cli.preflight.cluster_size import get_cluster_size, get_largest_size, get_smallest_size
from cli.preflight.plan import check_parameters, make_plan, read_template
from cli.target.stack import Stack
from local.errors import UserError
from tests.infra.support.example_run import GIB, ExampleRun
from tests.infra.support.template import PROJECT

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


def test_vcpus_of_the_default_clusters_are_documented() -> None:
    plan = make_plan("rental-kpi", None, "subnet-1", [])
    smallest, largest = get_smallest_size(plan), get_largest_size(plan)
    assert (smallest.nodes, largest.nodes) == (2, 11)
    counts = {
        "smallest": smallest.count_on_demand_vcpus(4, 4),
        "On-Demand": largest.count_on_demand_vcpus(4, 4),
        "Spot": largest.count_spot_vcpus(4),
    }
    assert counts == {"smallest": 8, "On-Demand": 24, "Spot": 20}
    assert plan.get_number("MaxConcurrentRuns") == 4
    description = read_template()["Parameters"]["MaxWorkers"]["Description"]
    assert "from 8 vCPUs (1 worker) to 44 vCPUs (10 workers)" in description
    for page, text in (
        ("README.md", "needs 8 On-Demand vCPUs (quota L-1216C47A), the largest one 24, and 20 on"),
        ("docs/operations.md", "needs 24, and 20 on Spot (quota L-34B43A08)"),
        ("docs/deployment.md", "| Spot, L-34B43A08 | 0 | 20 | 80 |"),
        ("docs/deployment.md", "| On-Demand, L-1216C47A | 8 | 24 | 96 |"),
    ):
        assert text in " ".join((PROJECT / page).read_text("utf-8").split()), page
