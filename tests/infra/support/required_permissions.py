"""Compares the permissions that each role requires with those that its policies grant.

For functions and the state machine, the actions come from the source, and this module adds the
resources. Our source does not show what EMR and Glue do themselves. For their roles, this module
lists the purpose and the permissions of each statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from pipeline.ledger.keys import (
    BATCH_PREFIX,
    EMAIL_BUDGET_PREFIX,
    INCOMPLETE_REPORT,
    NOTIFICATION_PREFIX,
    OPEN_ITEMS,
    POINTER,
    RUN_PREFIX,
    RUN_SLOTS,
    SUBSCRIPTION,
)
from tests.infra.support import asl
from tests.infra.support.required_actions import actions_of_function, actions_of_state_machine
from tests.infra.support.template import (
    FUNCTION,
    as_list,
    handler_module,
    resource,
    resources,
    role_of,
)

Permission = tuple[str, str]
"""An action and its resource: a logical ID, an object key, or an ARN without its prefix.

For the items of the ledger, the resource contains the pattern of their keys.
"""
Statement = dict[str, Any]

STATE_MACHINE_ROLE = "PipelineRole"

_ARN_PREFIX = re.compile(
    r"^arn:\$\{AWS::Partition\}:\w+:(\$\{AWS::Region\})?:\$\{AWS::AccountId\}:"
    r"|^\$\{DataBucket\.Arn\}/"
)
_LEADING_KEYS = ("ForAllValues:StringLike", "dynamodb:LeadingKeys")
_CLUSTERS = "cluster/*"
_DATABASE = "database/${KpiDatabase}"


def _items(*patterns: str) -> set[str]:
    """Return the resources for items of the ledger."""
    return {f"LedgerTable item {pattern}" for pattern in patterns}


_BATCHES, _RUNS = f"{BATCH_PREFIX}*", f"{RUN_PREFIX}*"
_NOTIFICATIONS, _EMAIL_BUDGET = f"{NOTIFICATION_PREFIX}#*", f"{EMAIL_BUDGET_PREFIX}*"
# Whoever claims batches and starts runs reads and updates these. Emails about uploads and batches
# share a budget.
_INTAKE_ITEMS = _items(_BATCHES, RUN_SLOTS, _EMAIL_BUDGET, _NOTIFICATIONS)

# The resources of the actions of a service, or of one action, for all roles.
_RESOURCES = {
    "athena": {"workgroup/${KpiWorkgroup}"},
    "dynamodb": _items(_NOTIFICATIONS),
    "dynamodb:Query": {f"${{LedgerTable.Arn}}/index/{OPEN_ITEMS}"},
    "elasticmapreduce": {_CLUSTERS},
    "elasticmapreduce:ListClusters": {"*"},
    "elasticmapreduce:RunJobFlow": {"*"},
    "events": {
        "rule/StepFunctionsGetEventForEMRAddJobFlowStepsRule",
        "rule/StepFunctionsGetEventForEMRTerminateJobFlowsRule",
    },
    "glue": {"catalog", _DATABASE, "table/${KpiDatabase}/*"},
    "glue:GetCrawler": {"crawler/${KpiCrawler}"},
    "glue:StartCrawler": {"crawler/${KpiCrawler}"},
    "iam:CreateServiceLinkedRole": {
        "role/aws-service-role/elasticmapreduce.amazonaws.com/AWSServiceRoleForEMRCleanup"
    },
    "iam:PassRole": {"EmrServiceRole", "EmrInstanceRole"},
    "kms": {"DataKey"},
    "s3:GetBucketLocation": {"DataBucket"},
    "s3:ListBucket": {"DataBucket"},
    "s3:ListBucketMultipartUploads": {"DataBucket"},
    "s3:ListBucketVersions": {"DataBucket"},
    "sns": {"ReportTopic"},
    "states:DescribeExecution": {"execution:${AWS::StackName}-pipeline:*"},
    "states:StartExecution": {"stateMachine:${AWS::StackName}-pipeline"},
    "xray": {"*"},
}
# The folders and ledger items that each role reads and writes, and other resources that differ by
# role.
_RESOURCES_BY_ROLE = {
    "ReceiveUploadRole": {
        "s3": {"raw/*"},
        "dynamodb:GetItem": _INTAKE_ITEMS,
        "dynamodb:UpdateItem": _INTAKE_ITEMS,
    },
    "PinInputsRole": {
        "s3": {"batches/*"},
        "s3:GetObject": {"raw/*", "verification/*", "batches/*"},
        "s3:GetObjectVersion": {"raw/*", "verification/*", "batches/*"},
    },
    "CheckRunRole": {"s3": {"runs/*"}},
    "PublishResultsRole": {
        "s3": {"athena_results/*"},
        "s3:PutObject": {"athena_results/*", "reports/*", "published_runs/*"},
        "s3:GetObject": {
            *("output/*", "kpi_output/*", "runs/*"),
            *("athena_results/*", "reports/*", "published_runs/*"),
        },
        "dynamodb:GetItem": _items(POINTER, _NOTIFICATIONS),
        "dynamodb:UpdateItem": _items(POINTER, _NOTIFICATIONS),
        # Athena uses the default database in each query, even in one that names another database.
        "glue:GetDatabase": {*_RESOURCES["glue"], "database/default"},
        "glue:GetDatabases": {"catalog", "database/default"},
        "glue:CreateDatabase": {"catalog", "database/default"},
    },
    "ReportFailureRole": {"s3": {"logs/emr/*", "published_runs/*"}},
    "WatchdogRole": {
        "s3": {"raw/*", "published_runs/*"},
        # Before a claim, it checks that a recorded version exists, even if it is not current.
        "s3:GetObjectVersion": {"raw/*"},
        # It also reports incomplete batches.
        "dynamodb:GetItem": _INTAKE_ITEMS | _items(INCOMPLETE_REPORT),
        # It also records the end of runs, and that nobody has confirmed a subscription.
        "dynamodb:UpdateItem": _INTAKE_ITEMS | _items(INCOMPLETE_REPORT, _RUNS, SUBSCRIPTION),
    },
    "InstallScriptsRole": {"s3": {"emr-scripts/*"}},
    STATE_MACHINE_ROLE: {"dynamodb": _items(_RUNS, RUN_SLOTS), "logs": {"*"}},
}


def _permissions(actions: str, *targets: str) -> set[Permission]:
    return {(action, target) for action in actions.split() for target in targets}


# For the roles of EMR and Glue, by role and Sid: the purpose and the required permissions.
_SERVICE_ROLE_PERMISSIONS: dict[str, dict[str, tuple[str, set[Permission]]]] = {
    "EmrServiceRole": {
        "LaunchInSubnet": (
            "launching instances in the subnet without the tags of the managed policy",
            _permissions(
                "ec2:CreateNetworkInterface ec2:RunInstances ec2:CreateFleet"
                " ec2:CreateLaunchTemplate ec2:CreateLaunchTemplateVersion",
                "subnet/${SubnetId}",
            ),
        ),
        "CreateSecurityGroups": (
            "creating the EMR security groups in a VPC without them",
            _permissions("ec2:CreateSecurityGroup", "vpc/*"),
        ),
        "PassInstanceRole": (
            "launching instances with the role of the jobs",
            _permissions("iam:PassRole", "EmrInstanceRole"),
        ),
        "CreateSpotServiceLinkedRole": (
            "launching the first Spot Instance of an account",
            _permissions(
                "iam:CreateServiceLinkedRole",
                "role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot",
            ),
        ),
        "EncryptDisks": (
            "encrypting disks with the key of the stack",
            _permissions(
                "kms:Encrypt kms:Decrypt kms:ReEncryptFrom kms:ReEncryptTo"
                " kms:GenerateDataKeyWithoutPlaintext kms:DescribeKey",
                "DataKey",
            ),
        ),
        "AttachEncryptedDisks": (
            "attaching the encrypted disks to instances",
            _permissions("kms:CreateGrant", "DataKey"),
        ),
    },
    "EmrInstanceRole": {
        "ReadInputsAndScripts": (
            "reading the Spark scripts and the pinned input",
            _permissions("s3:GetObject", "batches*", "emr-scripts*"),
        ),
        "ReadAndWriteOutputs": (
            "writing tables, rejected rows, KPI tables, and job reports",
            _permissions(
                "s3:GetObject s3:PutObject s3:DeleteObject s3:AbortMultipartUpload",
                *("output*", "quarantine*", "kpi_output*", "runs*"),
            ),
        ),
        "WriteClusterLogs": (
            "storing cluster and step logs, for which EMR uses the instance role",
            _permissions("s3:GetObject s3:PutObject s3:AbortMultipartUpload", "logs/emr/*"),
        ),
        "ListBucket": (
            "listing folders, locating the bucket, and completing multipart uploads",
            _permissions(
                "s3:ListBucket s3:GetBucketLocation s3:ListBucketMultipartUploads", "DataBucket"
            ),
        ),
        "UseDataKey": (
            "using objects and disks that are encrypted with the key of the stack",
            _permissions("kms:Encrypt kms:Decrypt kms:GenerateDataKey kms:DescribeKey", "DataKey"),
        ),
    },
    "CrawlerRole": {
        "ReadTables": (
            "reading the schemas of the tables from their files",
            _permissions("s3:GetObject", "output/*", "kpi_output/*"),
        ),
        "ListBucket": (
            "locating the bucket and its partitions",
            _permissions("s3:ListBucket s3:GetBucketLocation", "DataBucket"),
        ),
        "UseDataKey": (
            "reading files and writing logs that are encrypted with the key of the stack",
            _permissions(
                "kms:Encrypt kms:Decrypt kms:ReEncryptFrom kms:ReEncryptTo kms:GenerateDataKey"
                " kms:DescribeKey",
                "DataKey",
            ),
        ),
        "ReadSecurityConfiguration": (
            "knowing the key of the log group",
            _permissions("glue:GetSecurityConfiguration", "*"),
        ),
        "UpdateHistoryTables": (
            "creating and updating the history tables and their partitions",
            _permissions(
                "glue:GetDatabase glue:GetTable glue:GetTables glue:CreateTable glue:UpdateTable"
                " glue:GetPartition glue:GetPartitions glue:BatchGetPartition glue:CreatePartition"
                " glue:BatchCreatePartition glue:UpdatePartition glue:BatchUpdatePartition",
                *("catalog", _DATABASE, "table/${KpiDatabase}/history_*"),
            ),
        ),
        "WriteCrawlerLogs": (
            "writing to the encrypted log group of the crawler",
            _permissions(
                "logs:CreateLogGroup logs:AssociateKmsKey logs:CreateLogStream logs:PutLogEvents",
                "log-group:/aws-glue/crawlers-*-${AWS::StackName}-crawler-logs*",
            ),
        ),
    },
}


def permission_problems(role: str, statements: Iterable[Statement]) -> list[str]:
    """Return the missing and the excess permissions of a role.

    Args:
        role: The logical ID of the role.
        statements: The policy statements to check in place of the role's own.
    """
    required, granted = required_permissions(role), granted_permissions(statements)
    missing = [
        f"{role} lacks {action} on {target}, required for {required[action, target]}"
        for action, target in sorted(required.keys() - granted)
    ]
    excess = [
        f"{role} has {action} on {target}, which nothing requires"
        for action, target in sorted(granted - required.keys())
    ]
    return missing + excess


def granted_permissions(statements: Iterable[Statement]) -> set[Permission]:
    """Return the permissions that policy statements grant.

    Of their conditions, only those on the keys of ledger items are considered.
    """
    return {
        (action, f"{_short_name(target)}{items}")
        for statement in statements
        for action in as_list(statement["Action"])
        for target in as_list(statement["Resource"])
        for items in _item_patterns(statement)
    }


def _item_patterns(statement: Statement) -> list[str]:
    """Return the keys that a statement is limited to, in the notation of `_items`."""
    operator, key = _LEADING_KEYS
    patterns = statement.get("Condition", {}).get(operator, {}).get(key)
    return [""] if patterns is None else [f" item {pattern}" for pattern in as_list(patterns)]


@cache
def required_permissions(role: str) -> dict[Permission, str]:
    """Return the permissions that a role requires, each with its purpose."""
    if role in _SERVICE_ROLE_PERMISSIONS:
        return {
            permission: f"{purpose} ({sid})"
            for sid, (purpose, permissions) in _SERVICE_ROLE_PERMISSIONS[role].items()
            for permission in permissions
        }
    targets = _RESOURCES | _RESOURCES_BY_ROLE.get(role, {})
    if role == STATE_MACHINE_ROLE:
        invoked = re.findall(r'"FunctionName": "\$\{(\w+)Arn\}"', asl.read_source())
        targets["lambda"] = {f"{name}Function" for name in invoked}
        actions, purpose = actions_of_state_machine(), "a state"
    else:
        [function] = (name for name in resources(FUNCTION) if role_of(name) == role)
        targets |= _resources_of_function(function)
        actions = actions_of_function(function, handler_module(function))
        purpose = handler_module(function)
    return {
        (action, target): purpose
        for action in actions
        for target in targets[action if action in targets else action.partition(":")[0]]
    }


def _resources_of_function(function: str) -> dict[str, set[str]]:
    """Return the log group of a function and its dead-letter queue, if it has one."""
    properties = resource(function)
    targets = {"logs": {_short_name(properties["LoggingConfig"]["LogGroup"])}}
    destination = properties.get("EventInvokeConfig", {}).get("DestinationConfig", {})
    if destination:
        targets["sqs"] = {_short_name(destination["OnFailure"]["Destination"])}
    return targets


def _short_name(target: Any) -> str:
    """Return the name of a resource as it is used in a `Permission`."""
    if isinstance(target, str):
        return target
    [(function, value)] = target.items()
    if function == "Fn::GetAtt":
        return str(value[0])
    if function == "Ref":
        return str(value)
    return _ARN_PREFIX.sub("", value)
