"""The checks of the EMR release, the instance types, and the quotas."""

from __future__ import annotations

from typing import Any

import pytest

from cli.preflight.checks.emr_release import check_release
from cli.preflight.checks.instance_types import (
    InstanceType,
    check_instance_types,
    list_instance_types,
)
from cli.preflight.checks.quotas import check_on_demand, check_quotas, check_spot
from cli.preflight.plan import Plan, make_plan
from tests.support.accounts import Denied, StubbedAccount, describe_results

XLARGE = {"m7g.xlarge": InstanceType("m7g.xlarge", 4, 16)}


def test_offered_release(stub: StubbedAccount, plan: Plan) -> None:
    applications = [{"Name": "Spark", "Version": "3.5.6-amzn-2"}]
    stub.respond(
        "emr",
        "describe_release_label",
        {"Applications": applications},
        {"ReleaseLabel": "emr-7.13.0"},
    )
    assert describe_results(check_release(stub.account, plan)) == [
        ("OK", "emr-7.13.0 is offered in eu-west-1, with Spark 3.5.6-amzn-2")
    ]


def test_release_that_is_not_offered_is_replaced_by_a_newer_one(
    stub: StubbedAccount, plan: Plan
) -> None:
    stub.respond("emr", "describe_release_label", Denied("InvalidRequestException"))
    stub.respond(
        "emr",
        "list_release_labels",
        {"ReleaseLabels": ["emr-7.9.0", "emr-6.15.0"], "NextToken": "2"},
    )
    stub.respond(
        "emr",
        "list_release_labels",
        {"ReleaseLabels": ["emr-7.12.0", "emr-7.0.0", "emr-spark-8.0.0"]},
        {"NextToken": "2"},
    )
    assert describe_results(check_release(stub.account, plan)) == [
        (
            "FAILED",
            (
                "emr-7.13.0 is not offered in eu-west-1: choose another EmrRelease, such as"
                " emr-spark-8.0.0, emr-7.12.0, emr-7.9.0"
            ),
        )
    ]


def test_release_without_spark(stub: StubbedAccount, plan: Plan) -> None:
    stub.respond("emr", "describe_release_label", {"Applications": []})
    [(status, _)] = describe_results(check_release(stub.account, plan))
    assert status == "FAILED"


def test_instance_types_are_read_from_all_pages(stub: StubbedAccount) -> None:
    plan = make_plan("rental-kpi", None, "subnet-1", ["PrimaryInstanceType=m5.xlarge"])
    pages: list[dict[str, Any]] = [
        {
            "SupportedInstanceTypes": [build_type("m5.xlarge"), build_type("a1.large")],
            "Marker": "2",
        },
        {"SupportedInstanceTypes": [build_type("m7g.xlarge")]},
    ]
    for page in pages:
        stub.respond("emr", "list_supported_instance_types", page)
    assert sorted(list_instance_types(stub.account, plan)) == ["m5.xlarge", "m7g.xlarge"]


def build_type(name: str) -> dict[str, Any]:
    return {"Type": name, "VCPU": 4, "MemoryGB": 16.0}


def offer(stub: StubbedAccount, name: str, *zones: str) -> None:
    """Prepare the zones that offer an instance type."""
    stub.respond(
        "ec2",
        "describe_instance_type_offerings",
        {"InstanceTypeOfferings": [{"InstanceType": name, "Location": zone} for zone in zones]},
        {
            "LocationType": "availability-zone",
            "Filters": [{"Name": "instance-type", "Values": [name]}],
        },
    )


def test_instance_type_in_the_zone_of_the_subnet(stub: StubbedAccount, plan: Plan) -> None:
    offer(stub, "m7g.xlarge", "eu-west-1a", "eu-west-1b")
    assert describe_results(check_instance_types(stub.account, plan, XLARGE, "eu-west-1a")) == [
        ("OK", "m7g.xlarge can be used in eu-west-1a")
    ]


def test_instance_type_in_other_zones_only(stub: StubbedAccount, plan: Plan) -> None:
    offer(stub, "m7g.xlarge", "eu-west-1b", "eu-west-1c")
    assert describe_results(check_instance_types(stub.account, plan, XLARGE, "eu-west-1a")) == [
        (
            "FAILED",
            (
                "EC2 does not offer m7g.xlarge in eu-west-1a, the zone of the subnet: choose"
                " another type, or a subnet in eu-west-1b or eu-west-1c"
            ),
        )
    ]


def test_instance_type_that_emr_does_not_support(stub: StubbedAccount, plan: Plan) -> None:
    offer(stub, "m7g.xlarge", "eu-west-1a")
    assert describe_results(check_instance_types(stub.account, plan, {}, "eu-west-1a")) == [
        ("FAILED", "emr-7.13.0 does not support m7g.xlarge in eu-west-1: choose another type")
    ]


def test_worker_with_too_little_memory(stub: StubbedAccount) -> None:
    plan = make_plan("rental-kpi", None, "subnet-1", ["WorkerInstanceType=c7g.xlarge"])
    supported = {**XLARGE, "c7g.xlarge": InstanceType("c7g.xlarge", 4, 8.0)}
    offer(stub, "m7g.xlarge", "eu-west-1a")
    offer(stub, "c7g.xlarge", "eu-west-1a")
    [(status, text)] = describe_results(
        check_instance_types(stub.account, plan, supported, "eu-west-1a")
    )
    assert status == "WARNING"
    assert "c7g.xlarge has 8 GiB of memory, too little for both jobs at once" in text


@pytest.mark.parametrize(
    ("quota", "status", "text"),
    [
        (5, "FAILED", "5 vCPUs, but the smallest cluster needs 8, and 4 runs of the largest size"),
        (8, "WARNING", "8 vCPUs: enough for 1 small or 0 of the largest clusters, but 4 can run"),
        (95, "WARNING", "95 vCPUs: enough for 11 small or 3 of the largest clusters"),
        (96, "OK", "96 vCPUs: enough for 4 runs of the largest size (96)"),
    ],
)
def test_on_demand_quota(quota: int, status: str, text: str) -> None:
    result = check_on_demand(quota, smallest=8, largest=24, runs=4)
    assert result.status == status
    assert result.text.startswith(text)


def test_quota_that_is_too_small_comes_with_the_command_to_increase_it() -> None:
    assert check_on_demand(5, smallest=8, largest=24, runs=4).text.endswith(
        "aws service-quotas request-service-quota-increase --service-code ec2"
        " --quota-code L-1216C47A --desired-value 96"
    )
    assert check_spot(5, largest=20, runs=4).text.endswith(
        "--quota-code L-34B43A08 --desired-value 80"
    )


@pytest.mark.parametrize(("quota", "status"), [(0, "WARNING"), (79, "WARNING"), (80, "OK")])
def test_small_spot_quota_is_no_failure(quota: int, status: str) -> None:
    """On-Demand instances replace missing Spot capacity."""
    assert check_spot(quota, largest=20, runs=4).status == status


def test_both_quotas_are_read(stub: StubbedAccount, plan: Plan) -> None:
    for code, value in (("L-1216C47A", 96.0), ("L-34B43A08", 80.0)):
        request = {"ServiceCode": "ec2", "QuotaCode": code}
        stub.respond("service-quotas", "get_service_quota", {"Quota": {"Value": value}}, request)
    statuses = [status for status, _ in describe_results(check_quotas(stub.account, plan, XLARGE))]
    assert statuses == ["OK", "OK"]


def test_default_quota_counts_if_none_was_applied(stub: StubbedAccount) -> None:
    plan = make_plan("rental-kpi", None, "subnet-1", ["SpotPercent=0"])
    stub.respond("service-quotas", "get_service_quota", Denied("NoSuchResourceException"))
    stub.respond("service-quotas", "get_aws_default_service_quota", {"Quota": {"Value": 5.0}})
    [(status, text)] = describe_results(check_quotas(stub.account, plan, XLARGE))
    assert status == "FAILED"
    assert text.startswith("5 vCPUs")


def test_types_with_quotas_of_their_own_are_not_compared(stub: StubbedAccount) -> None:
    plan = make_plan("rental-kpi", None, "subnet-1", ["WorkerInstanceType=x2gd.xlarge"])
    supported = {**XLARGE, "x2gd.xlarge": InstanceType("x2gd.xlarge", 4, 64)}
    [(status, text)] = describe_results(check_quotas(stub.account, plan, supported))
    assert status == "WARNING"
    assert "x2gd.xlarge has a quota of its own" in text


def test_quotas_of_unknown_types_are_not_compared(stub: StubbedAccount, plan: Plan) -> None:
    [(status, _)] = describe_results(check_quotas(stub.account, plan, {}))
    assert status == "WARNING"
