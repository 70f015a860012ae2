"""Which IAM actions the source asks for: what its calls are named in policies, and what they imply.

A call is the action of its own name unless a table here says otherwise, with the page of AWS's that
does.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import boto3

from tests.infra import asl
from tests.infra.template import resource, template
from tests.infra.template_calls import Operation, operations

_EMR = "elasticmapreduce"

# Where S3's actions are not named like its operations ("Required permissions for S3 API
# operations").
_NAMED_OTHERWISE = {
    "s3:HeadObject": {"s3:GetObject"},
    "s3:ListObjectsV2": {"s3:ListBucket"},
    "s3:ListObjectVersions": {"s3:ListBucketVersions"},
    # Ours names versions always, which is an action of its own.
    "s3:DeleteObjects": {"s3:DeleteObjectVersion"},
    # boto3's managed copy: it looks at the source, and may copy in parts.
    "s3:Copy": {"s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"},
}
_READS_S3 = {"s3:GetObject", "s3:HeadObject", "s3:Copy"}

# What Athena does on behalf of whoever starts a query ("Access to databases and tables", "Access to
# Amazon S3"): read the catalogue and the data, make views, write the result in parts.
_QUERY = {
    "glue:GetDatabase",
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

# What is encrypted with the stack's key: to read takes Decrypt, to write a data key, and to write
# in parts or into a topic or queue takes both (each service's page on encryption).
_DECRYPT = "kms:Decrypt"
_DATA_KEY = "kms:GenerateDataKey"
_WITH_KEY = {
    "s3:GetObject": {_DECRYPT},
    "s3:PutObject": {_DATA_KEY},
    "s3:AbortMultipartUpload": {_DECRYPT, _DATA_KEY},
    "sns:Publish": {_DECRYPT, _DATA_KEY},
    "sqs:SendMessage": {_DECRYPT, _DATA_KEY},
    "dynamodb:GetItem": {_DECRYPT},
    "dynamodb:PutItem": {_DECRYPT},
    "dynamodb:UpdateItem": {_DECRYPT},
    "dynamodb:DeleteItem": {_DECRYPT},
    "dynamodb:Scan": {_DECRYPT},
}

_MANAGED_RULES = {"events:PutTargets", "events:PutRule", "events:DescribeRule"}
# "IAM policies for Amazon EMR" in the guide to Step Functions.
_INTEGRATIONS = {
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
# "Logging in CloudWatch Logs" and "Tracing with X-Ray", same guide.
_MACHINE_LOGS = {
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}
_TRACES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
_SAMPLING = {"xray:GetSamplingRules", "xray:GetSamplingTargets"}


def asked_by_function(function: str, module: str) -> set[str]:
    """The actions that a function needs: for its handler's calls, and for how it is set up."""
    properties = resource(function)
    asked: set[str] = {"logs:CreateLogStream", "logs:PutLogEvents"}
    if template()["Globals"]["Function"]["Tracing"] == "Active":
        asked |= _TRACES  # Lambda itself sends the segments, with the function's role
    for operation in operations(module):
        asked |= _of_operation(operation)
    destination = properties.get("EventInvokeConfig", {}).get("DestinationConfig", {})
    if destination.get("OnFailure", {}).get("Type") == "SQS":
        asked.add("sqs:SendMessage")
    return _with_key(asked)


def asked_by_state_machine() -> set[str]:
    """The actions that the states' integrations, the log and the trace need."""
    asked = _MACHINE_LOGS | _TRACES | _SAMPLING
    for state in asl.every_state(asl.definition()).values():
        if state["Type"] == "Task":
            asked |= _of_integration(state)
    return _with_key(asked)


def _of_integration(state: dict[str, Any]) -> set[str]:
    name = state["Resource"].removeprefix("arn:aws:states:::")
    found = re.fullmatch(r"aws-sdk:(\w+):(\w)(\w+)", name)
    if found:
        return {f"{found[1]}:{found[2].upper()}{found[3]}"}
    return _INTEGRATIONS[name]


def _of_operation(operation: Operation) -> set[str]:
    action = _action(operation.service, operation.name)
    asked = set(_NAMED_OTHERWISE.get(action, {action}))
    if action in _READS_S3:
        if "VersionId" in operation.words:
            asked.add("s3:GetObjectVersion")
        if operation.words & {"NoSuchKey", "404"}:
            asked.add("s3:ListBucket")  # without it, what is missing is forbidden
    if action == "athena:StartQueryExecution":
        asked |= _QUERY
    return asked


def _with_key(asked: set[str]) -> set[str]:
    return asked.union(*(_WITH_KEY.get(action, set()) for action in asked))


def _action(service: str, name: str) -> str:
    client = _client(service)
    operation = client.meta.method_to_api_mapping.get(name, name[0].upper() + name[1:])
    return f"{client.meta.service_model.signing_name}:{operation}"


@cache
def _client(service: str) -> Any:
    return boto3.client(service, region_name="eu-west-1")  # type: ignore[call-overload]
