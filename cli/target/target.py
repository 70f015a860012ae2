"""The stack that a command works with, on AWS or on a local cloud."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cli.console import print_message
from cli.target.account import Account, open_aws_account, open_local_cloud
from cli.target.local_clouds import get_running_cloud
from cli.target.stack import Stack, find_stack, get_stack
from contract.text import escape_control_characters
from local.deployment import STACK as LOCAL_STACK
from local.errors import UserError
from pipeline.aws.executions import build_execution_arn
from pipeline.ledger.table import LedgerTable

if TYPE_CHECKING:
    from local.cloud import Cloud

_EXAMPLE = "for AWS, add --stack NAME"


@dataclass(frozen=True)
class Target:
    """A deployed stack, and the account that it is in.

    Attributes:
        account: The account.
        stack: The stack.
        local_cloud: The local cloud that has the account, or `None` on AWS.
    """

    account: Account
    stack: Stack
    local_cloud: Cloud | None = None

    @property
    def is_local(self) -> bool:
        """Whether the target is a local cloud."""
        return self.account.is_local

    @property
    def description(self) -> str:
        """The target in a few words, for people."""
        if self.is_local:
            return self.account.description
        return f"stack {self.stack.name} in {self.account.description}"

    @property
    def options(self) -> str:
        """The options that select this target, for commands that people copy."""
        if self.local_cloud is not None:
            return f"--cloud {self.local_cloud.name}"
        return f"--stack {self.stack.name} --region {self.account.region}"

    @property
    def bucket(self) -> str:
        """Name of the data bucket."""
        return self.get_output("BucketName")

    @property
    def state_machine_arn(self) -> str:
        """ARN of the state machine."""
        return self.get_output("StateMachineArn")

    @property
    def database(self) -> str:
        """Name of the Glue database."""
        return self.get_output("DatabaseName")

    @property
    def workgroup(self) -> str:
        """Name of the Athena workgroup."""
        return self.get_output("WorkgroupName")

    @cached_property
    def ledger(self) -> LedgerTable:
        """The ledger of the stack."""
        return LedgerTable(self.client("dynamodb"), self.get_output("LedgerTableName"))

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service."""
        return self.account.client(service)

    def get_output(self, name: str) -> str:
        """Return an output of the stack.

        Raises:
            UserError: The stack has no such output, because it was deployed from another version.
        """
        try:
            return self.stack.outputs[name]
        except KeyError:
            raise UserError(
                f"the {self.description} has no output {name}: deploy this version with ./run"
                " deploy, or use the version that the stack was deployed from"
            ) from None

    def get_execution_arn(self, run_id: str) -> str:
        """Return the ARN of the execution of a run."""
        return build_execution_arn(self.state_machine_arn, run_id)


def open_target(stack: str, profile: str, region: str, cloud: str) -> Target:
    """Return the stack that the options of a command select, and print which one it is to stderr.

    Args:
        stack: Name of a stack on AWS. Empty for a local cloud.
        profile: Profile of the AWS CLI. Empty for the default credentials.
        region: AWS region. Empty for the region of the profile.
        cloud: Name of a local cloud. Empty for the only one that is running.

    Raises:
        UserError: The options contradict each other, the credentials cannot be used, or there is no
            such stack or cloud. The message says what to type.
    """
    if cloud and (stack or profile or region):
        raise UserError("use either --cloud, or --stack with --profile and --region")
    if not stack and (profile or region):
        raise UserError("--profile and --region need the name of a stack: add --stack NAME")
    target = _open_aws_target(stack, profile, region) if stack else _open_local_target(cloud)
    print_message(f"using {escape_control_characters(target.description)}")
    return target


def _open_aws_target(stack: str, profile: str, region: str) -> Target:
    account = open_aws_account(profile, region)
    return Target(account, get_stack(account, stack))


def _open_local_target(name: str) -> Target:
    try:
        cloud = get_running_cloud(name)
    except UserError as error:
        raise UserError(f"{error}; {_EXAMPLE}") from None
    return open_cloud_target(cloud)


def open_cloud_target(cloud: Cloud) -> Target:
    """Return the stack of a running local cloud.

    Raises:
        UserError: The stack is not deployed.
    """
    account = open_local_cloud(cloud)
    stack = find_stack(account, LOCAL_STACK)
    if stack is None:
        raise UserError(
            f"the stack is not deployed in {account.description}: deploy it with ./run local up"
        )
    return Target(account, stack, cloud)
