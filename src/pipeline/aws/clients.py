"""The AWS clients, one of each a process, with time limits and retries; what their errors mean."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload

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

# Longer than any call of ours takes. All tries of one call may outlast its function, which is then
# tried again as a whole.
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 5},
    max_pool_connections=64,  # the parts that `pin_inputs` copies at a time
)
_TOO_MANY, _SERVER_ERROR = {429}, 500  # and above, as HTTP has it
# The services' words for too many calls at a time, which are the caller's errors in HTTP.
_BUSY = {
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


@overload
def client(service: Literal["s3"]) -> S3Client: ...
@overload
def client(service: Literal["dynamodb"]) -> DynamoDBClient: ...
@overload
def client(service: Literal["sns"]) -> SNSClient: ...
@overload
def client(service: Literal["stepfunctions"]) -> SFNClient: ...
@overload
def client(service: Literal["athena"]) -> AthenaClient: ...
@overload
def client(service: Literal["emr"]) -> EMRClient: ...
def client(service: str) -> Any:
    """The client of a service; region, credentials and endpoint come from the environment."""
    return _made(service)


@cache
def _made(service: str) -> Any:
    return boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]


def forget_clients() -> None:
    """Make the clients anew from now on, since the environment has changed."""
    _made.cache_clear()


def error_code(error: ClientError) -> str:
    """The code that AWS gave the error, such as `NoSuchKey`."""
    return error.response.get("Error", {}).get("Code", "")


def is_temporary(error: BaseException | None) -> bool:
    """Whether an error comes of AWS being busy, in trouble or out of reach, so that it may pass."""
    if error is None:
        return False
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status in _TOO_MANY or status >= _SERVER_ERROR or error_code(error) in _BUSY
    return isinstance(error, (ConnectionError, HTTPClientError)) or is_temporary(error.__cause__)
