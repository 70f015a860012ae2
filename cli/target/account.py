"""An AWS account, or a local cloud, with the caller's credentials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cli.target.local_clouds import get_running_cloud
from local.cloud import Cloud
from local.errors import UserError

_LOCAL_POLL_SECONDS = 0.3
# All commands together must stay far below the rates that AWS allows an account.
_AWS_POLL_SECONDS = 5.0
_CONFIG = Config(
    connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5}
)


@dataclass(frozen=True)
class Account:
    """An account and a region that a command works with.

    Attributes:
        description: The account and the region, or the name of the local cloud.
        region: The region.
        caller_arn: ARN of the user or role session whose credentials are used.
        is_local: Whether the account belongs to a local cloud.
        create_client: Creates the boto3 client of a service.
    """

    description: str
    region: str
    caller_arn: str
    is_local: bool
    create_client: Callable[[str], Any]

    @property
    def poll_seconds(self) -> float:
        """Time between two questions about the same thing."""
        return _LOCAL_POLL_SECONDS if self.is_local else _AWS_POLL_SECONDS

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service."""
        return self.create_client(service)


def open_account(profile: str, region: str, cloud: str, *, is_on_aws: bool) -> Account:
    """Return the account that the options of a command select.

    Args:
        profile: Profile of the AWS CLI. Empty for the default credentials.
        region: AWS region. Empty for the region of the profile.
        cloud: Name of a local cloud. Empty for the only one that is running.
        is_on_aws: Whether another option names something on AWS, such as a stack.

    Raises:
        UserError: The options contradict each other, or the account cannot be used.
    """
    uses_aws = bool(profile or region or is_on_aws)
    if cloud and uses_aws:
        raise UserError("use either --cloud, or --profile, --region, and --stack")
    return open_aws_account(profile, region) if uses_aws else open_local_cloud(get_cloud(cloud))


def get_cloud(name: str) -> Cloud:
    """Return a running local cloud.

    Raises:
        UserError: There is no such cloud. The message also describes how to use an AWS account.
    """
    try:
        return get_running_cloud(name)
    except UserError as error:
        if name:
            raise
        raise UserError(f"{error}; to use an AWS account, add --stack or --profile") from None


def open_local_cloud(cloud: Cloud) -> Account:
    """Return the account of a local cloud, used as its root user."""
    create_client = cache(cloud.client)
    caller = create_client("sts").get_caller_identity()["Arn"]
    return Account(
        f"local cloud {cloud.name}",
        cloud.region,
        caller,
        is_local=True,
        create_client=create_client,
    )


def open_aws_account(profile: str, region: str) -> Account:
    """Return an account on AWS.

    Args:
        profile: Profile of the AWS CLI. Empty for the default credentials.
        region: AWS region. Empty for the region of the profile.

    Raises:
        UserError: The credentials or the region are missing or cannot be used.
    """
    try:
        session = boto3.session.Session(profile_name=profile or None, region_name=region or None)
        if not session.region_name:
            raise UserError("no AWS region is configured: specify --region")

        @cache
        def create_client(service: str) -> Any:
            # The type stubs of boto3 require the service name as a literal.
            create: Any = session.client
            return create(service, config=_CONFIG)

        identity = create_client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise UserError(
            f"cannot use the AWS credentials of {profile or 'the default profile'}: {error}"
        ) from None
    return Account(
        f"account {identity['Account']} in {session.region_name}",
        session.region_name,
        identity["Arn"],
        is_local=False,
        create_client=create_client,
    )
