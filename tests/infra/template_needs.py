"""What each role needs, and what of it a policy lacks or has too much.

For functions and the state machine the actions come out of the source, and here stands where they
are done. What EMR and Glue do themselves no source of ours shows: for each statement of their roles
it stands here, with what it is for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from tests.infra import asl
from tests.infra.template import FUNCTION, as_list, handler_module, resource, resources, role_of
from tests.infra.template_permissions import asked_by_function, asked_by_state_machine

# An action and its resource: a logical id, a key in the bucket, or an ARN without its beginning.
Permission = tuple[str, str]
Statement = dict[str, Any]

MACHINE = "PipelineRole"

_BEGINNING = re.compile(
    r"^arn:\$\{AWS::Partition\}:\w+:(\$\{AWS::Region\})?:\$\{AWS::AccountId\}:"
    r"|^\$\{DataBucket\.Arn\}/"
)
_CLUSTERS = "cluster/*"
_DATABASE = "database/${KpiDatabase}"

# Where whoever calls a service, or does the action, does so: the same for all roles.
_PLACES = {
    "athena": {"workgroup/${KpiWorkgroup}"},
    "dynamodb": {"LedgerTable"},
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
# The folders that a role reads and writes, and what else is its own.
_PLACES_OF_ROLE = {
    "ReceiveUploadRole": {"s3": {"raw/*"}},
    "PinInputsRole": {
        "s3": {"batches/*"},
        "s3:GetObject": {"raw/*", "batches/*"},
        "s3:GetObjectVersion": {"raw/*"},
    },
    "CheckRunRole": {"s3": {"runs/*"}},
    "PublishResultsRole": {
        "s3": {"athena_results/*"},
        "s3:PutObject": {"athena_results/*", "reports/*", "published_runs/*"},
        "s3:GetObject": {
            *("output/*", "kpi_output/*", "runs/*"),
            *("athena_results/*", "reports/*", "published_runs/*"),
        },
        # Athena looks at the default database before each statement, whichever that names.
        "glue:GetDatabase": {*_PLACES["glue"], "database/default"},
    },
    "ReportFailureRole": {"s3": {"logs/emr/*", "published_runs/*"}},
    "WatchdogRole": {"s3": {"published_runs/*"}},
    "InstallScriptsRole": {"s3": {"emr-scripts/*"}},
    MACHINE: {"logs": {"*"}},
}


def _all(actions: str, *places: str) -> set[Permission]:
    return {(action, place) for action in actions.split() for place in places}


# By role and Sid: what for, and what that takes.
_OF_SERVICES: dict[str, dict[str, tuple[str, set[Permission]]]] = {
    "EmrServiceRole": {
        "InTheSubnet": (
            "instances in the stack's subnet, whose tags the managed policy would ask for",
            _all(
                "ec2:CreateNetworkInterface ec2:RunInstances ec2:CreateFleet"
                " ec2:CreateLaunchTemplate ec2:CreateLaunchTemplateVersion",
                "subnet/${SubnetId}",
            ),
        ),
        "SecurityGroupsOfTheFirstCluster": (
            "EMR's own security groups in a VPC that has none yet",
            _all("ec2:CreateSecurityGroup", "vpc/*"),
        ),
        "RoleOfTheInstances": (
            "instances that have the jobs' role",
            _all("iam:PassRole", "EmrInstanceRole"),
        ),
        "FirstSpotInstanceOfTheAccount": (
            "spot instances in an account that never had one",
            _all(
                "iam:CreateServiceLinkedRole",
                "role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot",
            ),
        ),
        "EncryptedDisks": (
            "disks encrypted with the stack's key",
            _all(
                "kms:Encrypt kms:Decrypt kms:ReEncryptFrom kms:ReEncryptTo"
                " kms:GenerateDataKeyWithoutPlaintext kms:DescribeKey",
                "DataKey",
            ),
        ),
        "EncryptedDisksOfInstances": (
            "instances that attach those disks",
            _all("kms:CreateGrant", "DataKey"),
        ),
    },
    "EmrInstanceRole": {
        "Inputs": (
            "the jobs' source and the run's own copies of the four files",
            _all("s3:GetObject", "batches*", "emr-scripts*"),
        ),
        "Outputs": (
            "tables, rejected rows, metrics and the jobs' reports",
            _all(
                "s3:GetObject s3:PutObject s3:DeleteObject s3:AbortMultipartUpload",
                *("output*", "quarantine*", "kpi_output*", "runs*"),
            ),
        ),
        "Logs": (
            "the logs of cluster and steps, which EMR stores as the instances",
            _all("s3:GetObject s3:PutObject s3:AbortMultipartUpload", "logs/emr/*"),
        ),
        "Bucket": (
            "listing folders, finding the bucket, ending uploads in parts",
            _all("s3:ListBucket s3:GetBucketLocation s3:ListBucketMultipartUploads", "DataBucket"),
        ),
        "Key": (
            "objects and disks encrypted with the stack's key",
            _all("kms:Encrypt kms:Decrypt kms:GenerateDataKey kms:DescribeKey", "DataKey"),
        ),
    },
    "CrawlerRole": {
        "Tables": (
            "the schemas in the tables' files",
            _all("s3:GetObject", "output/*", "kpi_output/*"),
        ),
        "Bucket": (
            "finding the bucket and the partitions in it",
            _all("s3:ListBucket s3:GetBucketLocation", "DataBucket"),
        ),
        "Key": ("reading files encrypted with the stack's key", _all("kms:Decrypt", "DataKey")),
        "Catalogue": (
            "making and mending history tables and their partitions",
            _all(
                "glue:GetDatabase glue:GetTable glue:GetTables glue:CreateTable glue:UpdateTable"
                " glue:GetPartition glue:GetPartitions glue:BatchGetPartition glue:CreatePartition"
                " glue:BatchCreatePartition glue:UpdatePartition glue:BatchUpdatePartition",
                *("catalog", _DATABASE, "table/${KpiDatabase}/history_*"),
            ),
        ),
        "Log": (
            "the crawler's log, in the group that all crawlers of an account share",
            _all(
                "logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents",
                "log-group:/aws-glue/crawlers:*",
            ),
        ),
    },
}


def complaints(role: str, statements: Iterable[Statement]) -> list[str]:
    """What the role would lack, and have beyond its needs, if these were all its statements."""
    wanted, given = needed(role), allowed(statements)
    lacks = [
        f"{role} lacks {action} on {place}, for {wanted[action, place]}"
        for action, place in sorted(wanted.keys() - given)
    ]
    exceeds = [
        f"{role} has {action} on {place}, which nothing asks for"
        for action, place in sorted(given - wanted.keys())
    ]
    return lacks + exceeds


def allowed(statements: Iterable[Statement]) -> set[Permission]:
    """What statements of a policy allow, whatever their conditions."""
    return {
        (action, _place(found))
        for statement in statements
        for action in as_list(statement["Action"])
        for found in as_list(statement["Resource"])
    }


@cache
def needed(role: str) -> dict[Permission, str]:
    """What the role needs, each with what for."""
    if role in _OF_SERVICES:
        return {
            permission: f"{reason} ({sid})"
            for sid, (reason, permissions) in _OF_SERVICES[role].items()
            for permission in permissions
        }
    own = _PLACES | _PLACES_OF_ROLE.get(role, {})
    if role == MACHINE:
        called = re.findall(r'"FunctionName": "\$\{(\w+)Arn\}"', asl.source())
        own["lambda"] = {f"{name}Function" for name in called}
        actions, reason = asked_by_state_machine(), "a state"
    else:
        [function] = (name for name in resources(FUNCTION) if role_of(name) == role)
        own |= _places_of_function(function)
        actions = asked_by_function(function, handler_module(function))
        reason = handler_module(function)
    return {
        (action, place): reason
        for action in actions
        for place in own.get(action) or own[action.partition(":")[0]]
    }


def _places_of_function(function: str) -> dict[str, set[str]]:
    """Its log, and the queue for events that it could not take."""
    properties = resource(function)
    places = {"logs": {_place(properties["LoggingConfig"]["LogGroup"])}}
    destination = properties.get("EventInvokeConfig", {}).get("DestinationConfig", {})
    if destination:
        places["sqs"] = {_place(destination["OnFailure"]["Destination"])}
    return places


def _place(found: Any) -> str:
    """A resource as it is named here."""
    if isinstance(found, str):
        return found
    [(form, value)] = found.items()
    if form == "Fn::GetAtt":
        return str(value[0])
    if form == "Ref":
        return str(value)
    return _BEGINNING.sub("", value)
