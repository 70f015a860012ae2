"""Policy conditions: each condition allows the intended principals and denies all others."""

from __future__ import annotations

from typing import Any

import pytest

from contract.layout import PUBLISHED_RUNS_PREFIX, RAW_PREFIX, scripts_prefix
from pipeline.ledger import keys as ledger_keys
from tests.infra.support import asl
from tests.infra.support.intrinsics import ACCOUNT, REGION, STACK, resolve
from tests.infra.support.policy_evaluation import (
    ConditionKeys,
    policy_allows_principal,
    policy_allows_service,
    role_allows,
    role_trusts,
)
from tests.infra.support.template import as_list, resource, resources, statements, template

OTHER_ACCOUNT = "210987654321"
OWN_ACCOUNT_KEYS = {"aws:SourceAccount": ACCOUNT}
OTHER_ACCOUNT_KEYS = {"aws:SourceAccount": OTHER_ACCOUNT}
KEY: Any = {"Fn::GetAtt": ["DataKey", "Arn"]}
BUCKET: Any = {"Fn::GetAtt": ["DataBucket", "Arn"]}
LEDGER: Any = {"Fn::GetAtt": ["LedgerTable", "Arn"]}
KEY_POLICY = resource("DataKey")["KeyPolicy"]
TOPIC: Any = {"Ref": "ReportTopic"}
TOPIC_POLICY = resource("ReportTopicPolicy")["PolicyDocument"]
ALARMS = resources("AWS::CloudWatch::Alarm")
LOG_GROUPS = resources("AWS::Logs::LogGroup")
ROLES = sorted(resources("AWS::IAM::Role"))

CLUSTER = f"arn:aws:elasticmapreduce:{REGION}:{ACCOUNT}:cluster/j-1"
ACTIONS_ON_ALL_CLUSTERS = {
    # ListClusters has no resource. The watchdog must read the tags of every cluster to find those
    # of its stack.
    ("WatchdogRole", "elasticmapreduce:ListClusters"),
    ("WatchdogRole", "elasticmapreduce:DescribeCluster"),
    # If RunJobFlow requires these actions, the cluster may not have tags yet.
    ("PipelineRole", "elasticmapreduce:PutAutoTerminationPolicy"),
    ("PipelineRole", "elasticmapreduce:PutManagedScalingPolicy"),
}
# These actions create a cluster without tags, so the conditions check the tags of the request.
ACTIONS_ON_NEW_CLUSTERS = {"elasticmapreduce:RunJobFlow", "elasticmapreduce:AddTags"}
ACTIONS_ON_OWN_CLUSTERS = sorted(
    {
        (role, action)
        for role in ROLES
        for statement in statements(role)
        for action in as_list(statement["Action"])
        if action.startswith("elasticmapreduce:")
    }
    - ACTIONS_ON_ALL_CLUSTERS
)


def _tags(stack: str) -> dict[str, str]:
    """Return the tags that the state machine of a stack gives to its clusters."""
    arguments = asl.load_definition(StackName=stack)["States"]["CreateCluster"]["Arguments"]
    return {tag["Key"]: tag["Value"] for tag in arguments["Tags"]}


def _cluster_keys(action: str, tags: dict[str, str]) -> ConditionKeys:
    kind = "RequestTag" if action in ACTIONS_ON_NEW_CLUSTERS else "ResourceTag"
    return {f"elasticmapreduce:{kind}/{key}": value for key, value in tags.items()}


@pytest.mark.parametrize(("role", "action"), ACTIONS_ON_OWN_CLUSTERS)
def test_role_manages_clusters_of_its_stack_only(role: str, action: str) -> None:
    assert role_allows(role, action, CLUSTER, _cluster_keys(action, _tags(STACK)))
    assert not role_allows(role, action, CLUSTER, _cluster_keys(action, _tags("another")))
    assert not role_allows(role, action, CLUSTER)


@pytest.mark.parametrize(("role", "action"), sorted(ACTIONS_ON_ALL_CLUSTERS))
def test_actions_without_tag_condition_apply_to_all_clusters(role: str, action: str) -> None:
    assert role_allows(role, action, CLUSTER)


def test_emr_service_role_creates_key_grants_for_aws_resources_only() -> None:
    """EC2 uses a grant to encrypt disks. A grant to any other principal would expose the key."""
    for is_for_aws in ("true", "false"):
        keys = {"kms:GrantIsForAWSResource": is_for_aws}
        is_allowed = role_allows("EmrServiceRole", "kms:CreateGrant", KEY, keys)
        assert is_allowed == (is_for_aws == "true")
    assert not role_allows("EmrServiceRole", "kms:CreateGrant", KEY)


@pytest.mark.parametrize(
    ("role", "action", "folder"),
    [
        ("InstallScriptsRole", "s3:ListBucket", scripts_prefix("")),
        ("InstallScriptsRole", "s3:ListBucketVersions", scripts_prefix("")),
        ("WatchdogRole", "s3:ListBucketVersions", RAW_PREFIX),
    ],
)
def test_role_lists_its_own_folder_only(role: str, action: str, folder: str) -> None:
    for prefix in (folder, f"{folder}0123abcd/"):
        assert role_allows(role, action, BUCKET, {"s3:prefix": prefix})
    for prefix in {"", RAW_PREFIX, PUBLISHED_RUNS_PREFIX} - {folder}:
        assert not role_allows(role, action, BUCKET, {"s3:prefix": prefix})
    assert not role_allows(role, action, BUCKET)


@pytest.mark.parametrize(
    "role",
    [
        "ReceiveUploadRole",
        "PinInputsRole",
        "CheckRunRole",
        "PublishResultsRole",
        "ReportFailureRole",
        "WatchdogRole",
    ],
)
def test_function_distinguishes_missing_objects_from_forbidden_ones(role: str) -> None:
    """S3 answers 404 only to a role that may list the bucket, and a HEAD request has no prefix."""
    assert role_allows(role, "s3:ListBucket", BUCKET)


BATCH_ITEM = ledger_keys.batch_key("raw/2026-11/")
RUN_ITEM = ledger_keys.run_key("2026-11-0123456789abcdef0123")
NOTIFICATION_ITEM = f"{ledger_keys.NOTIFICATION_PREFIX}#0123456789abcdef"
BUDGET_ITEMS = {
    ledger_keys.email_budget_key("2026-11-24T08"),
    ledger_keys.summary_page_key("2026-11-24T08", 7),
}
SLOTS, POINTER = ledger_keys.RUN_SLOTS, ledger_keys.POINTER
SUBSCRIPTION = ledger_keys.SUBSCRIPTION
ITEMS = {BATCH_ITEM, RUN_ITEM, NOTIFICATION_ITEM, *BUDGET_ITEMS, SLOTS, POINTER, SUBSCRIPTION}

INTAKE_ITEMS = {BATCH_ITEM, SLOTS, *BUDGET_ITEMS}
UPDATED_ITEMS = {
    "ReceiveUploadRole": {NOTIFICATION_ITEM, *INTAKE_ITEMS},
    "PublishResultsRole": {NOTIFICATION_ITEM, POINTER},
    "ReportFailureRole": {NOTIFICATION_ITEM},
    "WatchdogRole": {NOTIFICATION_ITEM, *INTAKE_ITEMS, RUN_ITEM, SUBSCRIPTION},
    "PipelineRole": {RUN_ITEM, SLOTS},
}
"""The items that each role updates. Only the library that sends notifications once puts items."""
READ_ITEMS = {
    **{role: items - {RUN_ITEM, SUBSCRIPTION} for role, items in UPDATED_ITEMS.items()},
    "PipelineRole": set(),
}


def _allowed_items(role: str, action: str) -> set[str]:
    return {
        item
        for item in ITEMS
        if role_allows(role, action, LEDGER, {"dynamodb:LeadingKeys": [item]})
    }


@pytest.mark.parametrize("role", ROLES)
def test_role_accesses_its_own_ledger_items_only(role: str) -> None:
    updated = UPDATED_ITEMS.get(role, set())
    assert _allowed_items(role, "dynamodb:UpdateItem") == updated
    assert _allowed_items(role, "dynamodb:GetItem") == READ_ITEMS.get(role, set())
    for action in ("dynamodb:PutItem", "dynamodb:DeleteItem"):
        assert _allowed_items(role, action) == updated & {NOTIFICATION_ITEM}


@pytest.mark.parametrize("role", UPDATED_ITEMS)
def test_all_ledger_items_of_a_request_must_be_allowed(role: str) -> None:
    """ForAllValues alone would also allow a request without the key, such as a Scan."""
    action, own = "dynamodb:UpdateItem", sorted(UPDATED_ITEMS[role])
    assert role_allows(role, action, LEDGER, {"dynamodb:LeadingKeys": own[:1]})
    assert not role_allows(role, action, LEDGER, {"dynamodb:LeadingKeys": [*own[:1], "another"]})
    assert not role_allows(role, action, LEDGER)


@pytest.mark.parametrize(
    ("role", "passed", "service"),
    [
        ("PipelineRole", "EmrServiceRole", "elasticmapreduce.amazonaws.com"),
        ("PipelineRole", "EmrInstanceRole", "ec2.amazonaws.com"),
        ("EmrServiceRole", "EmrInstanceRole", "ec2.amazonaws.com"),
    ],
)
def test_role_is_passed_to_its_service_only(role: str, passed: str, service: str) -> None:
    target = {"Fn::GetAtt": [passed, "Arn"]}
    assert role_allows(role, "iam:PassRole", target, {"iam:PassedToService": service})
    for other in ("lambda.amazonaws.com", "glue.amazonaws.com"):
        assert not role_allows(role, "iam:PassRole", target, {"iam:PassedToService": other})


@pytest.mark.parametrize("role", ["PipelineRole", "EmrServiceRole"])
def test_service_linked_role_is_created_for_its_service_only(role: str) -> None:
    action = "iam:CreateServiceLinkedRole"
    [target] = [
        statement["Resource"] for statement in statements(role) if statement["Action"] == action
    ]
    service = resolve(target).split("/")[2]
    assert role_allows(role, action, target, {"iam:AWSServiceName": service})
    assert not role_allows(role, action, target, {"iam:AWSServiceName": "ecs.amazonaws.com"})


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
def test_service_assumes_role_for_this_account_only(role: str, service: str, source: str) -> None:
    """Otherwise, resources of another account could make the service use our role."""

    def keys(account: str) -> ConditionKeys:
        arn = source.format(region=REGION, account=account)
        return {"aws:SourceAccount": account, **({"aws:SourceArn": arn} if arn else {})}

    assert role_trusts(role, service, keys(ACCOUNT))
    assert not role_trusts(role, service, keys(OTHER_ACCOUNT))
    assert not role_trusts(role, service)


def test_cloudwatch_logs_uses_key_for_our_log_groups_only() -> None:
    """A log group whose name does not match the condition could not be created."""
    logs = f"logs.{REGION}.amazonaws.com"
    actions = ("Encrypt", "Decrypt", "ReEncryptTo", "GenerateDataKey", "DescribeKey")

    def is_allowed(action: str, account: str, name: str) -> bool:
        arn = f"arn:aws:logs:{REGION}:{account}:log-group:{name}"
        keys = {"kms:EncryptionContext:aws:logs:arn": arn}
        return policy_allows_service(KEY_POLICY, logs, f"kms:{action}", KEY, keys)

    for name in (resolve(group["LogGroupName"]) for group in LOG_GROUPS.values()):
        assert all(is_allowed(action, ACCOUNT, name) for action in actions)
        assert not any(is_allowed(action, OTHER_ACCOUNT, name) for action in actions)


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey"])
def test_alarms_of_this_account_use_key(action: str) -> None:
    """Without the key, an alarm changes its state, but its notification is lost silently."""
    alarms = "cloudwatch.amazonaws.com"
    assert policy_allows_service(KEY_POLICY, alarms, action, KEY, OWN_ACCOUNT_KEYS)
    assert not policy_allows_service(KEY_POLICY, alarms, action, KEY, OTHER_ACCOUNT_KEYS)


@pytest.mark.parametrize("alarm", ALARMS)
def test_alarms_of_this_account_publish_to_topic(alarm: str) -> None:
    name = resolve(ALARMS[alarm]["AlarmName"])

    def is_allowed(account: str) -> bool:
        arn = f"arn:aws:cloudwatch:{REGION}:{account}:alarm:{name}"
        keys = {"aws:SourceArn": arn}
        return policy_allows_service(
            TOPIC_POLICY, "cloudwatch.amazonaws.com", "sns:Publish", TOPIC, keys
        )

    assert is_allowed(ACCOUNT)
    assert not is_allowed(OTHER_ACCOUNT)


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
def test_spot_service_roles_use_key(role: str, action: str) -> None:
    """EC2 uses its own service-linked roles, which our identity policies cannot extend."""
    without_root = [
        statement
        for statement in KEY_POLICY["Statement"]
        if not resolve(statement["Principal"]).get("AWS", "").endswith(":root")
    ]
    policy = {**KEY_POLICY, "Statement": without_root}

    def is_allowed(account: str, name: str) -> bool:
        arn = f"arn:aws:iam::{account}:role/aws-service-role/{name}"
        keys = {"kms:CallerAccount": account}
        return policy_allows_principal(policy, arn, f"kms:{action}", KEY, keys)

    assert is_allowed(ACCOUNT, role)
    assert not is_allowed(OTHER_ACCOUNT, role)
    assert not is_allowed(ACCOUNT, "rds.amazonaws.com/AWSServiceRoleForRDS")


def test_account_administers_key() -> None:
    """Nobody could change a key policy that excludes the account of the key."""
    root = f"arn:aws:iam::{ACCOUNT}:root"
    assert policy_allows_principal(KEY_POLICY, root, "kms:PutKeyPolicy", KEY, {})


def test_every_condition_key_has_a_test() -> None:
    """A new condition key requires a test in this module."""
    tested = {
        "aws:PrincipalArn",
        "aws:SecureTransport",
        "aws:SourceAccount",
        "aws:SourceArn",
        "dynamodb:LeadingKeys",
        "elasticmapreduce:RequestTag/stack",
        "elasticmapreduce:ResourceTag/stack",
        "iam:AWSServiceName",
        "iam:PassedToService",
        "kms:CallerAccount",
        "kms:EncryptionContext:aws:logs:arn",
        "kms:GrantIsForAWSResource",
        "s3:prefix",
    }
    assert set(_condition_keys(template())) == tested


def _condition_keys(node: Any) -> list[str]:
    if isinstance(node, list):
        return [key for item in node for key in _condition_keys(item)]
    if not isinstance(node, dict):
        return []
    condition = node.get("Condition")
    direct = [key for keys in condition.values() for key in keys] if condition else []
    return direct + [key for value in node.values() for key in _condition_keys(value)]


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey"])
def test_eventbridge_uses_key_without_condition(action: str) -> None:
    """EventBridge does not pass its source in KMS requests: a condition would lose dead letters."""
    assert policy_allows_service(KEY_POLICY, "events.amazonaws.com", action, KEY)
    assert not policy_allows_service(KEY_POLICY, "events.amazonaws.com", "kms:CreateGrant", KEY)


@pytest.mark.parametrize("rule", resources("AWS::Events::Rule"))
def test_queue_accepts_dead_letters_of_its_rules_only(rule: str) -> None:
    """EventBridge silently drops a dead letter that the queue rejects."""
    (target,) = resource(rule)["Targets"]
    queue = target["DeadLetterConfig"]["Arn"]
    policy = resource(f"{queue['Fn::GetAtt'][0]}Policy")["PolicyDocument"]

    def is_allowed(source: Any) -> bool:
        keys = {"aws:SourceArn": resolve(source)}
        return policy_allows_service(policy, "events.amazonaws.com", "sqs:SendMessage", queue, keys)

    assert is_allowed({"Fn::GetAtt": [rule, "Arn"]})
    assert not is_allowed(f"arn:aws:events:{REGION}:{ACCOUNT}:rule/another")


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


@pytest.mark.parametrize(("name", "action", "target"), TLS_ONLY)
def test_resource_policy_denies_requests_without_tls(name: str, action: str, target: Any) -> None:
    """The denial overrides a statement that allows everything."""
    allow_all = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    policy = resource(name)["PolicyDocument"]
    policy = {**policy, "Statement": [*policy["Statement"], allow_all]}
    for is_secure in ("true", "false"):
        keys = {"aws:SecureTransport": is_secure}
        is_allowed = policy_allows_principal(
            policy, "arn:aws:iam::1:role/any", action, target, keys
        )
        assert is_allowed == (is_secure == "true")


def test_every_resource_policy_is_tested_for_tls() -> None:
    types = ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy")
    policies = {name for resource_type in types for name in resources(resource_type)}
    assert {name for name, _, _ in TLS_ONLY} == policies
