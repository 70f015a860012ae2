"""Derives the IAM actions that the source requires: those of its calls and those they imply.

The action of a call has the name of the call, unless a table in this module says otherwise. Each
table names the AWS documentation page that it is based on.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import boto3

from tests.infra.support import asl
from tests.infra.support.aws_operations import Operation, operations
from tests.infra.support.template import resource, template

_EMR = "elasticmapreduce"

# Operations of S3 whose actions have other names ("Required permissions for S3 API operations").
_ACTIONS_WITH_OTHER_NAMES = {
    "s3:HeadObject": {"s3:GetObject"},
    "s3:ListObjectsV2": {"s3:ListBucket"},
    "s3:ListObjectVersions": {"s3:ListBucketVersions"},
    # Our calls always name versions, which requires a separate action.
    "s3:DeleteObjects": {"s3:DeleteObjectVersion"},
    # The managed copy of boto3 reads the metadata of the source, and may use a multipart upload.
    "s3:Copy": {"s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"},
}
_READS_S3 = {"s3:GetObject", "s3:HeadObject", "s3:Copy"}

# What Athena does with the permissions of the principal that starts a query ("Configure access to
# databases and tables in the AWS Glue Data Catalog", "Access to Amazon S3"): it reads the catalog
# and the data, creates views and the default database, and writes the result with a multipart
# upload.
_QUERY_ACTIONS = {
    "glue:GetDatabase",
    "glue:GetDatabases",
    "glue:CreateDatabase",
    "glue:GetTable",
    "glue:GetTables",
    "glue:GetPartition",
    "glue:GetPartitions",
    "glue:BatchGetPartition",
    "glue:CreateTable",
    "glue:UpdateTable",
    "s3:GetObject",
    "s3:PutObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
    "s3:GetBucketLocation",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
}

# Actions on data that is encrypted with the key of the stack. Reading requires Decrypt, and writing
# requires GenerateDataKey. Multipart uploads and messages to topics or queues require both (the
# encryption page of each service).
_DECRYPT = "kms:Decrypt"
_DATA_KEY = "kms:GenerateDataKey"
_KEY_ACTIONS = {
    "s3:GetObject": {_DECRYPT},
    "s3:PutObject": {_DATA_KEY},
    "s3:AbortMultipartUpload": {_DECRYPT, _DATA_KEY},
    "sns:Publish": {_DECRYPT, _DATA_KEY},
    "sqs:SendMessage": {_DECRYPT, _DATA_KEY},
    "dynamodb:GetItem": {_DECRYPT},
    "dynamodb:PutItem": {_DECRYPT},
    "dynamodb:UpdateItem": {_DECRYPT},
    "dynamodb:DeleteItem": {_DECRYPT},
    "dynamodb:Query": {_DECRYPT},
}

_MANAGED_RULES = {"events:PutTargets", "events:PutRule", "events:DescribeRule"}
# "IAM policies for Amazon EMR" in the Step Functions Developer Guide.
_INTEGRATION_ACTIONS = {
    "lambda:invoke": {"lambda:InvokeFunction"},
    "dynamodb:updateItem": {"dynamodb:UpdateItem"},
    "elasticmapreduce:createCluster": {
        f"{_EMR}:RunJobFlow",
        f"{_EMR}:DescribeCluster",
        f"{_EMR}:TerminateJobFlows",
        f"{_EMR}:AddTags",
        f"{_EMR}:PutAutoTerminationPolicy",
        f"{_EMR}:PutManagedScalingPolicy",
        "iam:PassRole",
        "iam:CreateServiceLinkedRole",
    },
    "elasticmapreduce:addStep.sync": {
        f"{_EMR}:AddJobFlowSteps",
        f"{_EMR}:DescribeStep",
        f"{_EMR}:CancelSteps",
        *_MANAGED_RULES,
    },
    "elasticmapreduce:terminateCluster.sync": {
        f"{_EMR}:TerminateJobFlows",
        f"{_EMR}:DescribeCluster",
        *_MANAGED_RULES,
    },
}
# "Logging in CloudWatch Logs" and "Tracing with X-Ray" in the same guide.
_LOG_DELIVERY_ACTIONS = {
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}
_TRACE_ACTIONS = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
_SAMPLING_ACTIONS = {"xray:GetSamplingRules", "xray:GetSamplingTargets"}


def actions_of_function(function: str, module: str) -> set[str]:
    """Return the actions that a function requires for its handler's calls and its configuration.

    Args:
        function: The logical ID of the function.
        module: The module of its handler.
    """
    properties = resource(function)
    actions: set[str] = {"logs:CreateLogStream", "logs:PutLogEvents"}
    if template()["Globals"]["Function"]["Tracing"] == "Active":
        actions |= _TRACE_ACTIONS  # Lambda sends the segments with the role of the function.
    for operation in operations(module):
        actions |= _actions_of_operation(operation)
    destination = properties.get("EventInvokeConfig", {}).get("DestinationConfig", {})
    if destination.get("OnFailure", {}).get("Type") == "SQS":
        actions.add("sqs:SendMessage")
    return _with_key_actions(actions)


def actions_of_state_machine() -> set[str]:
    """Return the actions that the state machine requires for its tasks, logs, and traces."""
    actions = _LOG_DELIVERY_ACTIONS | _TRACE_ACTIONS | _SAMPLING_ACTIONS
    for state in asl.all_states(asl.load_definition()).values():
        if state["Type"] == "Task":
            actions |= _actions_of_task(state)
    return _with_key_actions(actions)


def _actions_of_task(state: dict[str, Any]) -> set[str]:
    integration = state["Resource"].removeprefix("arn:aws:states:::")
    sdk_call = re.fullmatch(r"aws-sdk:(\w+):(\w)(\w+)", integration)
    if sdk_call:
        return {f"{sdk_call[1]}:{sdk_call[2].upper()}{sdk_call[3]}"}
    return _INTEGRATION_ACTIONS[integration]


def _actions_of_operation(operation: Operation) -> set[str]:
    action = _action(operation.service, operation.name)
    actions = set(_ACTIONS_WITH_OTHER_NAMES.get(action, {action}))
    if action in _READS_S3:
        if "VersionId" in operation.nearby_strings:
            actions.add("s3:GetObjectVersion")
        if operation.nearby_strings & {"NoSuchKey", "404"}:
            # Without s3:ListBucket, S3 answers 403 instead of 404 for a missing object.
            actions.add("s3:ListBucket")
    if action == "athena:StartQueryExecution":
        actions |= _QUERY_ACTIONS
    return actions


def _with_key_actions(actions: set[str]) -> set[str]:
    return actions.union(*(_KEY_ACTIONS.get(action, set()) for action in actions))


def _action(service: str, method: str) -> str:
    client = _client(service)
    operation = client.meta.method_to_api_mapping.get(method, method[0].upper() + method[1:])
    return f"{client.meta.service_model.signing_name}:{operation}"


@cache
def _client(service: str) -> Any:
    return boto3.client(service, region_name="eu-west-1")  # type: ignore[call-overload]
