"""Tests of the EMR API: the cluster lifecycle over HTTP, and authorization."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.support.emr_sandbox import (
    BUCKET_ACCESS,
    FINAL_CLUSTER_STATES,
    EmrSandbox,
    command_step,
    shell_step,
)


def get_error_code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_cluster_lifecycle_over_api(sandbox: EmrSandbox) -> None:
    cluster_id = sandbox.start_cluster(
        StepConcurrencyLevel=2, SecurityConfiguration="locked", Tags=[{"Key": "a", "Value": "b"}]
    )
    steps = sandbox.add_steps(cluster_id, shell_step("true"), shell_step("true"))
    for step_id in steps:
        sandbox.wait_for_step(cluster_id, step_id, {"COMPLETED"})
    sandbox.wait_for_cluster(cluster_id, {"WAITING"})
    cluster = sandbox.describe_cluster(cluster_id)
    assert cluster["SecurityConfiguration"] == "locked"
    assert cluster["Tags"] == [{"Key": "a", "Value": "b"}]
    sandbox.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    status = sandbox.wait_for_cluster(cluster_id, FINAL_CLUSTER_STATES)
    assert status["State"] == "TERMINATED"
    assert status["StateChangeReason"]["Code"] == "USER_REQUEST"
    ready = status["Timeline"]["ReadyDateTime"]
    for step_id in steps:
        timeline = sandbox.get_step_status(cluster_id, step_id)["Timeline"]
        assert ready <= timeline["StartDateTime"] <= timeline["EndDateTime"]
    with pytest.raises(ClientError, match="may not be modified") as error:
        sandbox.add_steps(cluster_id, shell_step("true"))
    assert get_error_code(error) == "ValidationException"
    clusters = sandbox.emr.list_clusters(ClusterStates=["TERMINATED"])["Clusters"]
    assert cluster_id in {listed["Id"] for listed in clusters}


def test_sequential_step_starts_after_previous_step(sandbox: EmrSandbox) -> None:
    cluster_id = sandbox.start_cluster(
        keep_alive=False, Steps=[shell_step("true"), shell_step("true")]
    )
    sandbox.wait_for_cluster(cluster_id, {"TERMINATED"})
    steps = sandbox.emr.list_steps(ClusterId=cluster_id)["Steps"]
    timelines = [step["Status"]["Timeline"] for step in steps]
    periods = sorted((timeline["StartDateTime"], timeline["EndDateTime"]) for timeline in timelines)
    assert len(periods) == 2
    assert all(first[1] <= second[0] for first, second in pairwise(periods))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ServiceRole": "nobody"}, "Invalid ServiceRole: nobody"),
        ({"JobFlowRole": "nobody"}, "Invalid InstanceProfile: nobody"),
        ({"ReleaseLabel": "x"}, "release label"),
    ],
)
def test_invalid_cluster_request_returns_validation_exception(
    sandbox: EmrSandbox, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message) as error:
        sandbox.start_cluster(**arguments)
    assert get_error_code(error) == "ValidationException"


def test_protected_cluster_cannot_be_terminated(sandbox: EmrSandbox) -> None:
    cluster_id = sandbox.start_cluster(is_protected=True)
    with pytest.raises(ClientError, match="termination protected"):
        sandbox.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    sandbox.emr.set_termination_protection(JobFlowIds=[cluster_id], TerminationProtected=False)
    sandbox.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    sandbox.wait_for_cluster(cluster_id, {"TERMINATED"})


def test_invalid_changes_of_cluster_are_rejected(sandbox: EmrSandbox) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        sandbox.emr.terminate_job_flows(JobFlowIds=["j-NONE"])
    cluster_id = sandbox.start_cluster(StepConcurrencyLevel=2)
    with pytest.raises(ClientError, match="must be CONTINUE"):
        sandbox.add_steps(cluster_id, command_step("true", on_failure="CANCEL_AND_WAIT"))
    with pytest.raises(ClientError, match="between 1 and 256"):
        sandbox.emr.modify_cluster(ClusterId=cluster_id, StepConcurrencyLevel=0)
    sandbox.emr.terminate_job_flows(JobFlowIds=[cluster_id])


def test_service_role_that_does_not_trust_emr_prevents_start(sandbox: EmrSandbox) -> None:
    sandbox.put_role("trusts-step-functions", "states.amazonaws.com", [BUCKET_ACCESS])
    cluster_id = sandbox.start_cluster(ServiceRole="trusts-step-functions")
    status = sandbox.wait_for_cluster(cluster_id, FINAL_CLUSTER_STATES)
    assert status["State"] == "TERMINATED_WITH_ERRORS"
    assert status["StateChangeReason"]["Code"] == "VALIDATION_ERROR"
    assert "elasticmapreduce.amazonaws.com" in status["StateChangeReason"]["Message"]


def allow(
    action: str | list[str], resource: str = "*", condition: dict[str, str] | None = None
) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": {"StringEquals": condition}} if condition else statement


REQUEST_TAG = {"elasticmapreduce:RequestTag/stack": "ours"}
CREATE_STATEMENTS = {
    "elasticmapreduce:RunJobFlow": allow("elasticmapreduce:RunJobFlow", condition=REQUEST_TAG),
    "elasticmapreduce:AddTags": allow("elasticmapreduce:AddTags", condition=REQUEST_TAG),
    "service iam:PassRole": allow(
        "iam:PassRole", condition={"iam:PassedToService": "elasticmapreduce.amazonaws.com"}
    ),
    "instances iam:PassRole": allow(
        "iam:PassRole", condition={"iam:PassedToService": "ec2.amazonaws.com"}
    ),
}
TAGS = {"Tags": [{"Key": "stack", "Value": "ours"}]}


@pytest.mark.parametrize("missing", [*CREATE_STATEMENTS])
def test_cluster_creation_requires_each_permission(sandbox: EmrSandbox, missing: str) -> None:
    role = sandbox.put_role(
        "creates-" + missing.replace(":", "-").replace(" ", "-"),
        "states.amazonaws.com",
        [statement for name, statement in CREATE_STATEMENTS.items() if name != missing],
    )
    with pytest.raises(ClientError, match=missing.rpartition(" ")[2]) as error:
        sandbox.start_cluster(sandbox.client_with_role(role, "emr"), **TAGS)
    assert get_error_code(error) == "AccessDeniedException"


def test_tag_conditions_limit_access_to_clusters(sandbox: EmrSandbox) -> None:
    actions = ["elasticmapreduce:TerminateJobFlows", "elasticmapreduce:DescribeCluster"]
    role = sandbox.put_role(
        "ours",
        "states.amazonaws.com",
        [
            *CREATE_STATEMENTS.values(),
            allow(
                actions,
                "arn:aws:elasticmapreduce:*:*:cluster/*",
                {"elasticmapreduce:ResourceTag/stack": "ours"},
            ),
        ],
    )
    emr = sandbox.client_with_role(role, "emr")
    with pytest.raises(ClientError, match="RunJobFlow"):
        sandbox.start_cluster(emr)
    theirs = sandbox.start_cluster()
    ours = sandbox.start_cluster(emr, **TAGS)
    assert emr.describe_cluster(ClusterId=ours)["Cluster"]["Id"] == ours
    with pytest.raises(ClientError, match="not authorized"):
        emr.describe_cluster(ClusterId=theirs)
    for ids in ([theirs], [ours, theirs]):
        with pytest.raises(ClientError, match="not authorized"):
            emr.terminate_job_flows(JobFlowIds=ids)
    emr.terminate_job_flows(JobFlowIds=[ours])
    sandbox.wait_for_cluster(ours, {"TERMINATED"})
    sandbox.emr.terminate_job_flows(JobFlowIds=[theirs])
