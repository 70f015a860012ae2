"""AWS clients with time limits and retries, and the meaning of their errors."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

if TYPE_CHECKING:
    from types_boto3_athena import AthenaClient
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_emr import EMRClient
    from types_boto3_s3 import S3Client
    from types_boto3_sns import SNSClient
    from types_boto3_stepfunctions import SFNClient

ClientName = Literal["athena", "dynamodb", "emr", "s3", "sns", "stepfunctions"]

# No attempt of a call takes this long. All attempts together can exceed the function's timeout,
# which is then retried as a whole.
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 5},
    max_pool_connections=64,  # the parts that `pin_inputs` copies at the same time
)
_TOO_MANY_REQUESTS = 429
_LOWEST_SERVER_ERROR = 500
# The services return these codes when they throttle calls, with the HTTP status of a client error.
_THROTTLING_CODES = {
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "SlowDown",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}


class AwsClients:
    """The AWS clients of one process, each created when it is first used, or at the start.

    A function that AWS Lambda invokes again reuses its clients and their connections. Region,
    credentials, and endpoint come from the environment, through the default session of boto3.
    """

    def __init__(self, *every_invocation: ClientName) -> None:
        """Create the clients that every invocation uses, if this is an AWS Lambda function.

        Lambda gives the initialization of a function a full vCPU, but an invocation with 512 MB of
        memory only 29% of one (docs/performance.md). Elsewhere, importing a function must not
        require a region and credentials.

        Args:
            every_invocation: Names of the clients.
        """
        if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
            for name in every_invocation:
                getattr(self, name)

    @cached_property
    def athena(self) -> AthenaClient:
        """The Amazon Athena client."""
        return boto3.client("athena", config=_CONFIG)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """The Amazon DynamoDB client."""
        return boto3.client("dynamodb", config=_CONFIG)

    @cached_property
    def emr(self) -> EMRClient:
        """The Amazon EMR client."""
        return boto3.client("emr", config=_CONFIG)

    @cached_property
    def s3(self) -> S3Client:
        """The Amazon S3 client. It copies objects without their annotations."""
        client = boto3.client("s3", config=_CONFIG)
        client.meta.events.register("before-call.s3.CopyObject", _exclude_annotations)
        return client

    @cached_property
    def sns(self) -> SNSClient:
        """The Amazon SNS client."""
        return boto3.client("sns", config=_CONFIG)

    @cached_property
    def stepfunctions(self) -> SFNClient:
        """The AWS Step Functions client."""
        return boto3.client("stepfunctions", config=_CONFIG)


def _exclude_annotations(params: dict[str, Any], **_: Any) -> None:
    """Add the header that excludes annotations from a copy, before the request is signed.

    By default, S3 copies annotations, which requires two more permissions. The SDK in the Lambda
    runtimes does not know the parameter `AnnotationDirective`.
    """
    params["headers"]["x-amz-object-annotation-directive"] = "EXCLUDE"


def error_code(error: ClientError) -> str:
    """Return the code that AWS gave the error, such as `NoSuchKey`."""
    return error.response.get("Error", {}).get("Code", "")


def is_temporary(error: BaseException | None) -> bool:
    """Return whether AWS was busy, failing, or unreachable, so that a retry may succeed.

    Args:
        error: The error of a call, or an error that has it as a direct or indirect cause.
    """
    if error is None:
        return False
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return (
            status == _TOO_MANY_REQUESTS
            or status >= _LOWEST_SERVER_ERROR
            or error_code(error) in _THROTTLING_CODES
        )
    return isinstance(error, (ConnectionError, HTTPClientError)) or is_temporary(error.__cause__)
