"""Tests of the requests that EMR rejects."""

from __future__ import annotations

from typing import Any

import pytest

from local.extensions.emr.validation import ValidationError, check_new_cluster, check_steps
from tests.local.support.emr_sandbox import build_cluster_request, shell_step


def build_request_without(name: str) -> dict[str, Any]:
    return {key: value for key, value in build_cluster_request().items() if key != name}


def build_request_with_instances(**overrides: Any) -> dict[str, Any]:
    request = build_cluster_request()
    return {**request, "Instances": {**request["Instances"], **overrides}}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (build_request_without("ServiceRole"), "ServiceRole is required"),
        (build_request_without("JobFlowRole"), "JobFlowRole is required"),
        (build_request_without("Instances"), "Instances is required"),
        (build_cluster_request(ReleaseLabel="7.13"), "release label is invalid"),
        (
            build_cluster_request(AutoTerminationPolicy={"IdleTimeout": 59}),
            "between 60 and 604800",
        ),
        (
            build_cluster_request(AutoTerminationPolicy={"IdleTimeout": 604_801}),
            "between 60 and 604800",
        ),
        (build_cluster_request(StepConcurrencyLevel=257), "between 1 and 256"),
        (build_request_with_instances(InstanceGroups=[]), "Exactly one of InstanceFleets"),
        (
            build_request_with_instances(MasterInstanceType="m6g.xlarge"),
            "Exactly one of InstanceFleets",
        ),
        (
            build_request_with_instances(InstanceFleets=[{"InstanceFleetType": "CORE"}]),
            "greater than 0",
        ),
        (
            build_request_with_instances(
                InstanceFleets=[{"InstanceFleetType": "CORE", "TargetOnDemandCapacity": 1}]
            ),
            "exactly one master",
        ),
        (
            build_request_with_instances(Ec2SubnetId="a", Ec2SubnetIds=["a"]),
            "cannot both be specified",
        ),
        (
            build_cluster_request(
                StepConcurrencyLevel=2, Steps=[shell_step("true", "CANCEL_AND_WAIT")]
            ),
            "CANCEL_AND_WAIT is not valid",
        ),
    ],
)
def test_invalid_cluster_request_is_rejected(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        check_new_cluster(request_)


def test_valid_cluster_request_is_accepted() -> None:
    check_new_cluster(
        build_cluster_request(StepConcurrencyLevel=2, AutoTerminationPolicy={"IdleTimeout": 1800})
    )


@pytest.mark.parametrize("action", ["TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW", "CANCEL_AND_WAIT"])
def test_concurrent_steps_must_continue_on_failure(action: str) -> None:
    check_steps([shell_step("true", action)], concurrency=1)
    with pytest.raises(ValidationError, match="must be CONTINUE"):
        check_steps([shell_step("true", action)], concurrency=2)
