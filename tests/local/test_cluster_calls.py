"""EMR as it is called: over its API, and what IAM is asked."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud
from tests.local.emr_lab import ALL_OF_BUCKET, ENDED, Lab, command, make_lab, shell

pytestmark = pytest.mark.xdist_group("local")


@pytest.fixture(scope="module")
def lab(cloud: Cloud) -> Lab:
    return make_lab(cloud)


def _code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_the_life_of_a_cluster_over_the_api(lab: Lab) -> None:
    cluster_id = lab.run_cluster(
        StepConcurrencyLevel=2, SecurityConfiguration="locked", Tags=[{"Key": "a", "Value": "b"}]
    )
    steps = lab.add(cluster_id, shell("true"), shell("true"))
    for step_id in steps:
        lab.wait_for_step(cluster_id, step_id, {"COMPLETED"})
    lab.wait_for_cluster(cluster_id, {"WAITING"})
    cluster = lab.cluster(cluster_id)
    assert cluster["SecurityConfiguration"] == "locked"
    assert cluster["Tags"] == [{"Key": "a", "Value": "b"}]
    lab.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    status = lab.wait_for_cluster(cluster_id, ENDED)
    assert status["State"] == "TERMINATED"
    assert status["StateChangeReason"]["Code"] == "USER_REQUEST"
    ready = status["Timeline"]["ReadyDateTime"]
    for step_id in steps:
        times = lab.step(cluster_id, step_id)["Timeline"]
        assert ready <= times["StartDateTime"] <= times["EndDateTime"]
    with pytest.raises(ClientError, match="may not be modified") as refused:
        lab.add(cluster_id, shell("true"))
    assert _code(refused) == "ValidationException"
    listed = lab.emr.list_clusters(ClusterStates=["TERMINATED"])["Clusters"]
    assert cluster_id in {found["Id"] for found in listed}


def test_one_step_begins_when_the_one_before_is_over(lab: Lab) -> None:
    cluster_id = lab.run_cluster(keep_alive=False, Steps=[shell("true"), shell("true")])
    lab.wait_for_cluster(cluster_id, {"TERMINATED"})
    steps = lab.emr.list_steps(ClusterId=cluster_id)["Steps"]
    times = sorted(
        (step["Status"]["Timeline"]["StartDateTime"], step["Status"]["Timeline"]["EndDateTime"])
        for step in steps
    )
    assert len(times) == 2
    assert all(one[1] <= other[0] for one, other in pairwise(times))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ServiceRole": "nobody"}, "Invalid ServiceRole: nobody"),
        ({"JobFlowRole": "nobody"}, "Invalid InstanceProfile: nobody"),
        ({"ReleaseLabel": "x"}, "release label"),
    ],
)
def test_a_refusal_comes_as_emr_words_it(lab: Lab, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError, match=words) as refused:
        lab.run_cluster(**changes)
    assert _code(refused) == "ValidationException"


def test_a_protected_cluster_is_not_terminated(lab: Lab) -> None:
    cluster_id = lab.run_cluster(protected=True)
    with pytest.raises(ClientError, match="termination protected"):
        lab.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    lab.emr.set_termination_protection(JobFlowIds=[cluster_id], TerminationProtected=False)
    lab.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    lab.wait_for_cluster(cluster_id, {"TERMINATED"})


def test_what_cannot_be_done_is_refused(lab: Lab) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        lab.emr.terminate_job_flows(JobFlowIds=["j-NONE"])
    cluster_id = lab.run_cluster(StepConcurrencyLevel=2)
    with pytest.raises(ClientError, match="has to be CONTINUE"):
        lab.add(cluster_id, command("true", on_failure="CANCEL_AND_WAIT"))
    with pytest.raises(ClientError, match="between 1 and 256"):
        lab.emr.modify_cluster(ClusterId=cluster_id, StepConcurrencyLevel=0)
    lab.emr.terminate_job_flows(JobFlowIds=[cluster_id])


def test_a_service_role_that_trusts_others_keeps_the_cluster_from_starting(lab: Lab) -> None:
    lab.make_role("for-others", "states.amazonaws.com", ALL_OF_BUCKET)
    cluster_id = lab.run_cluster(ServiceRole="for-others")
    status = lab.wait_for_cluster(cluster_id, ENDED)
    assert status["State"] == "TERMINATED_WITH_ERRORS"
    assert status["StateChangeReason"]["Code"] == "VALIDATION_ERROR"
    assert "elasticmapreduce.amazonaws.com" in status["StateChangeReason"]["Message"]


# What IAM is asked


def _allow(action: str | list[str], resource: str = "*", **condition: str) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
    equals = {key.replace("__", ":").replace("_S_", "/"): value for key, value in condition.items()}
    return {**statement, "Condition": {"StringEquals": equals}} if equals else statement


_OURS = {"elasticmapreduce__RequestTag_S_stack": "ours"}
_CREATES = {
    "elasticmapreduce:RunJobFlow": _allow("elasticmapreduce:RunJobFlow", **_OURS),
    "elasticmapreduce:AddTags": _allow("elasticmapreduce:AddTags", **_OURS),
    "service iam:PassRole": _allow(
        "iam:PassRole", iam__PassedToService="elasticmapreduce.amazonaws.com"
    ),
    "instances iam:PassRole": _allow("iam:PassRole", iam__PassedToService="ec2.amazonaws.com"),
}
_TAGS = {"Tags": [{"Key": "stack", "Value": "ours"}]}


@pytest.mark.parametrize("missing", [*_CREATES])
def test_each_right_to_create_a_cluster_is_asked_for(lab: Lab, missing: str) -> None:
    role = lab.make_role(
        "creates-" + missing.replace(":", "-").replace(" ", "-"),
        "states.amazonaws.com",
        [statement for name, statement in _CREATES.items() if name != missing],
    )
    with pytest.raises(ClientError, match=missing.rpartition(" ")[2]) as refused:
        lab.run_cluster(lab.as_role(role, "emr"), **_TAGS)
    assert _code(refused) == "AccessDeniedException"


def test_tags_decide_whose_cluster_may_be_made_and_ended(lab: Lab) -> None:
    own = {"elasticmapreduce__ResourceTag_S_stack": "ours"}
    calls = ["elasticmapreduce:TerminateJobFlows", "elasticmapreduce:DescribeCluster"]
    role = lab.make_role(
        "ours",
        "states.amazonaws.com",
        [
            *_CREATES.values(),
            _allow(calls, "arn:aws:elasticmapreduce:*:*:cluster/*", **own),
        ],
    )
    emr = lab.as_role(role, "emr")
    with pytest.raises(ClientError, match="RunJobFlow"):
        lab.run_cluster(emr)
    theirs = lab.run_cluster()
    ours = lab.run_cluster(emr, **_TAGS)
    assert emr.describe_cluster(ClusterId=ours)["Cluster"]["Id"] == ours
    with pytest.raises(ClientError, match="not authorized"):
        emr.describe_cluster(ClusterId=theirs)
    for ids in ([theirs], [ours, theirs]):
        with pytest.raises(ClientError, match="not authorized"):
            emr.terminate_job_flows(JobFlowIds=ids)
    emr.terminate_job_flows(JobFlowIds=[ours])
    lab.wait_for_cluster(ours, {"TERMINATED"})
    lab.emr.terminate_job_flows(JobFlowIds=[theirs])
