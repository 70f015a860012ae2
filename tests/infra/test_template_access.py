"""Conditions of policies: whoever they are made for gets through, and nobody else does."""

from __future__ import annotations

from typing import Any

import pytest

from contract.layout import PUBLISHED_RUNS_PREFIX, RAW_PREFIX, scripts_prefix
from tests.infra import asl
from tests.infra.template import as_list, resource, resources, statements, template
from tests.infra.template_access import (
    Keys,
    principal_may,
    role_is_for,
    role_may,
    service_may,
)
from tests.infra.template_values import ACCOUNT, REGION, STACK, resolved

OTHER_ACCOUNT = "210987654321"
HERE, ELSEWHERE = {"aws:SourceAccount": ACCOUNT}, {"aws:SourceAccount": OTHER_ACCOUNT}
KEY: Any = {"Fn::GetAtt": ["DataKey", "Arn"]}
KEY_POLICY = resource("DataKey")["KeyPolicy"]
TOPIC: Any = {"Ref": "ReportTopic"}
TOPIC_POLICY = resource("ReportTopicPolicy")["PolicyDocument"]
ALARMS = resources("AWS::CloudWatch::Alarm")
LOG_GROUPS = resources("AWS::Logs::LogGroup")
ROLES = sorted(resources("AWS::IAM::Role"))

CLUSTER = f"arn:aws:elasticmapreduce:{REGION}:{ACCOUNT}:cluster/j-1"
# Its list has no resource, and whose a cluster is it can only find out by looking.
OF_ALL_CLUSTERS = {
    ("WatchdogRole", "elasticmapreduce:ListClusters"),
    ("WatchdogRole", "elasticmapreduce:DescribeCluster"),
    # Asked for with RunJobFlow, if at all, when the cluster may have no tags yet.
    ("PipelineRole", "elasticmapreduce:PutAutoTerminationPolicy"),
    ("PipelineRole", "elasticmapreduce:PutManagedScalingPolicy"),
}
# They make what has no tags yet: the tags of the request are asked for.
NEW_CLUSTER = {"elasticmapreduce:RunJobFlow", "elasticmapreduce:AddTags"}
OF_OWN_CLUSTERS = sorted(
    {
        (role, action)
        for role in ROLES
        for found in statements(role)
        for action in as_list(found["Action"])
        if action.startswith("elasticmapreduce:")
    }
    - OF_ALL_CLUSTERS
)


def _tags(stack: str) -> dict[str, str]:
    """The tags that the state machine of a stack gives to its clusters."""
    create = asl.definition(StackName=stack)["States"]["CreateCluster"]["Arguments"]
    return {tag["Key"]: tag["Value"] for tag in create["Tags"]}


def _cluster_keys(action: str, tags: dict[str, str]) -> Keys:
    kind = "RequestTag" if action in NEW_CLUSTER else "ResourceTag"
    return {f"elasticmapreduce:{kind}/{key}": value for key, value in tags.items()}


@pytest.mark.parametrize(("role", "action"), OF_OWN_CLUSTERS)
def test_a_role_deals_with_the_stacks_clusters_and_no_others(role: str, action: str) -> None:
    assert role_may(role, action, CLUSTER, _cluster_keys(action, _tags(STACK)))
    assert not role_may(role, action, CLUSTER, _cluster_keys(action, _tags("another")))
    assert not role_may(role, action, CLUSTER)


@pytest.mark.parametrize(("role", "action"), sorted(OF_ALL_CLUSTERS))
def test_what_no_tag_can_narrow_is_not_narrowed(role: str, action: str) -> None:
    assert role_may(role, action, CLUSTER)


def test_the_disks_of_a_cluster_may_have_the_key_and_nobody_else() -> None:
    """EC2 takes a grant for a disk; a grant for anybody else would hand the key out."""
    for is_for_aws in ("true", "false"):
        keys = {"kms:GrantIsForAWSResource": is_for_aws}
        may = role_may("EmrServiceRole", "kms:CreateGrant", KEY, keys)
        assert may == (is_for_aws == "true")
    assert not role_may("EmrServiceRole", "kms:CreateGrant", KEY)


@pytest.mark.parametrize(
    ("role", "action", "folder"),
    [
        ("InstallScriptsRole", "s3:ListBucket", scripts_prefix("")),
        ("InstallScriptsRole", "s3:ListBucketVersions", scripts_prefix("")),
        ("WatchdogRole", "s3:ListBucket", PUBLISHED_RUNS_PREFIX),
    ],
)
def test_a_role_lists_its_folder_and_no_other(role: str, action: str, folder: str) -> None:
    bucket = {"Fn::GetAtt": ["DataBucket", "Arn"]}
    for prefix in (folder, f"{folder}0123abcd/"):
        assert role_may(role, action, bucket, {"s3:prefix": prefix})
    for prefix in ("", RAW_PREFIX):
        assert not role_may(role, action, bucket, {"s3:prefix": prefix})


@pytest.mark.parametrize(
    ("role", "passed", "service"),
    [
        ("PipelineRole", "EmrServiceRole", "elasticmapreduce.amazonaws.com"),
        ("PipelineRole", "EmrInstanceRole", "ec2.amazonaws.com"),
        ("EmrServiceRole", "EmrInstanceRole", "ec2.amazonaws.com"),
    ],
)
def test_a_role_is_passed_to_the_service_that_takes_it(
    role: str, passed: str, service: str
) -> None:
    place = {"Fn::GetAtt": [passed, "Arn"]}
    assert role_may(role, "iam:PassRole", place, {"iam:PassedToService": service})
    for other in ("lambda.amazonaws.com", "glue.amazonaws.com"):
        assert not role_may(role, "iam:PassRole", place, {"iam:PassedToService": other})


@pytest.mark.parametrize("role", ["PipelineRole", "EmrServiceRole"])
def test_a_service_linked_role_is_made_for_its_service(role: str) -> None:
    action = "iam:CreateServiceLinkedRole"
    [made] = [found["Resource"] for found in statements(role) if found["Action"] == action]
    service = resolved(made).split("/")[2]
    assert role_may(role, action, made, {"iam:AWSServiceName": service})
    assert not role_may(role, action, made, {"iam:AWSServiceName": "ecs.amazonaws.com"})


@pytest.mark.parametrize(
    ("role", "service", "source"),
    [
        ("PipelineRole", "states.amazonaws.com", ""),
        ("CrawlerRole", "glue.amazonaws.com", ""),
        (
            "EmrServiceRole",
            "elasticmapreduce.amazonaws.com",
            "arn:aws:elasticmapreduce:{region}:{account}:cluster/j-1",
        ),
    ],
)
def test_a_service_takes_its_role_for_this_account_alone(
    role: str, service: str, source: str
) -> None:
    """Otherwise somebody else's pipeline could make the service use a role of ours."""

    def keys(account: str) -> Keys:
        arn = source.format(region=REGION, account=account)
        return {"aws:SourceAccount": account, **({"aws:SourceArn": arn} if arn else {})}

    assert role_is_for(role, service, keys(ACCOUNT))
    assert not role_is_for(role, service, keys(OTHER_ACCOUNT))
    assert not role_is_for(role, service)


def test_the_log_groups_are_encrypted_with_the_key() -> None:
    """A log group whose name does not fit the condition could not be made at all."""
    logs = f"logs.{REGION}.amazonaws.com"
    actions = ("Encrypt", "Decrypt", "ReEncryptTo", "GenerateDataKey", "DescribeKey")

    def may(action: str, account: str, name: str) -> bool:
        arn = f"arn:aws:logs:{REGION}:{account}:log-group:{name}"
        keys = {"kms:EncryptionContext:aws:logs:arn": arn}
        return service_may(KEY_POLICY, logs, f"kms:{action}", KEY, keys)

    for name in (resolved(group["LogGroupName"]) for group in LOG_GROUPS.values()):
        assert all(may(action, ACCOUNT, name) for action in actions)
        assert not any(may(action, OTHER_ACCOUNT, name) for action in actions)


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey"])
def test_alarms_may_encrypt_what_they_send_to_the_topic(action: str) -> None:
    """Without it an alarm changes its state and sends nothing, and nobody is told of that."""
    alarms = "cloudwatch.amazonaws.com"
    assert service_may(KEY_POLICY, alarms, action, KEY, HERE)
    assert not service_may(KEY_POLICY, alarms, action, KEY, ELSEWHERE)


@pytest.mark.parametrize("alarm", ALARMS)
def test_alarms_may_send_to_the_topic(alarm: str) -> None:
    name = resolved(ALARMS[alarm]["AlarmName"])

    def may(account: str) -> bool:
        arn = f"arn:aws:cloudwatch:{REGION}:{account}:alarm:{name}"
        keys = {"aws:SourceArn": arn}
        return service_may(TOPIC_POLICY, "cloudwatch.amazonaws.com", "sns:Publish", TOPIC, keys)

    assert may(ACCOUNT)
    assert not may(OTHER_ACCOUNT)


@pytest.mark.parametrize(
    "role",
    [
        "spot.amazonaws.com/AWSServiceRoleForEC2Spot",
        "ec2fleet.amazonaws.com/AWSServiceRoleForEC2Fleet",
    ],
)
@pytest.mark.parametrize(
    "action", ["Encrypt", "Decrypt", "ReEncryptTo", "GenerateDataKey", "DescribeKey", "CreateGrant"]
)
def test_spot_instances_may_have_encrypted_disks(role: str, action: str) -> None:
    """EC2 asks as these roles of its own, to which no policy of ours can give anything."""
    of_others = [
        found
        for found in KEY_POLICY["Statement"]
        if not resolved(found["Principal"]).get("AWS", "").endswith(":root")
    ]
    policy = {**KEY_POLICY, "Statement": of_others}

    def may(account: str, name: str) -> bool:
        arn = f"arn:aws:iam::{account}:role/aws-service-role/{name}"
        keys = {"kms:CallerAccount": account}
        return principal_may(policy, arn, f"kms:{action}", KEY, keys)

    assert may(ACCOUNT, role)
    assert not may(OTHER_ACCOUNT, role)
    assert not may(ACCOUNT, "rds.amazonaws.com/AWSServiceRoleForRDS")


def test_the_account_can_always_reach_its_key() -> None:
    """A key whose policy shuts its own account out can be mended by nobody."""
    root = f"arn:aws:iam::{ACCOUNT}:root"
    assert principal_may(KEY_POLICY, root, "kms:PutKeyPolicy", KEY, {})


def test_every_condition_is_tried_here() -> None:
    """A new kind of condition needs a test that says whom it lets through."""
    tried = {
        "aws:PrincipalArn",
        "aws:SecureTransport",
        "aws:SourceAccount",
        "aws:SourceArn",
        "elasticmapreduce:RequestTag/stack",
        "elasticmapreduce:ResourceTag/stack",
        "iam:AWSServiceName",
        "iam:PassedToService",
        "kms:CallerAccount",
        "kms:EncryptionContext:aws:logs:arn",
        "kms:GrantIsForAWSResource",
        "s3:prefix",
    }
    assert set(_condition_keys(template())) == tried


def _condition_keys(node: Any) -> list[str]:
    if isinstance(node, list):
        return [key for item in node for key in _condition_keys(item)]
    if not isinstance(node, dict):
        return []
    condition = node.get("Condition")
    here = [key for keys in condition.values() for key in keys] if condition else []
    return here + [key for value in node.values() for key in _condition_keys(value)]


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey"])
def test_eventbridge_may_use_the_key_without_a_condition_that_it_cannot_meet(action: str) -> None:
    """Its requests to the key name no source; with a condition dead letters would vanish."""
    assert service_may(KEY_POLICY, "events.amazonaws.com", action, KEY)
    assert not service_may(KEY_POLICY, "events.amazonaws.com", "kms:CreateGrant", KEY)


@pytest.mark.parametrize("rule", resources("AWS::Events::Rule"))
def test_a_rules_dead_letters_may_come_into_its_queue_and_no_others(rule: str) -> None:
    """EventBridge drops what a queue does not take, and says nothing."""
    (target,) = resource(rule)["Targets"]
    queue = target["DeadLetterConfig"]["Arn"]
    policy = resource(f"{queue['Fn::GetAtt'][0]}Policy")["PolicyDocument"]

    def may(source: Any) -> bool:
        keys = {"aws:SourceArn": resolved(source)}
        return service_may(policy, "events.amazonaws.com", "sqs:SendMessage", queue, keys)

    assert may({"Fn::GetAtt": [rule, "Arn"]})
    assert not may(f"arn:aws:events:{REGION}:{ACCOUNT}:rule/another")


TLS_ONLY = [
    ("DataBucketPolicy", "s3:GetObject", {"Fn::Sub": "${DataBucket.Arn}/output/x"}),
    ("DataBucketPolicy", "s3:ListBucket", {"Fn::GetAtt": ["DataBucket", "Arn"]}),
    ("ReportTopicPolicy", "sns:Publish", TOPIC),
    ("UploadDeadLettersPolicy", "sqs:ReceiveMessage", {"Fn::GetAtt": ["UploadDeadLetters", "Arn"]}),
    (
        "WatchdogDeadLettersPolicy",
        "sqs:ReceiveMessage",
        {"Fn::GetAtt": ["WatchdogDeadLetters", "Arn"]},
    ),
]


@pytest.mark.parametrize(("name", "action", "place"), TLS_ONLY)
def test_nothing_is_readable_over_plain_http(name: str, action: str, place: Any) -> None:
    """Not even by whom everything else is allowed."""
    anything = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    policy = resource(name)["PolicyDocument"]
    policy = {**policy, "Statement": [*policy["Statement"], anything]}
    for is_secure in ("true", "false"):
        keys = {"aws:SecureTransport": is_secure}
        may = principal_may(policy, "arn:aws:iam::1:role/any", action, place, keys)
        assert may == (is_secure == "true")


def test_every_policy_of_a_resource_asks_for_tls() -> None:
    kinds = ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy")
    assert {name for name, _, _ in TLS_ONLY} == {name for kind in kinds for name in resources(kind)}
