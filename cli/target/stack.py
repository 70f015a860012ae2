"""A deployed stack: its outputs, and the values of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError

from cli.target.account import Account
from local.errors import UserError
from pipeline.aws.clients import error_code

_DEPLOYED_STATES = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}


class StackNotReadableError(UserError):
    """The caller may not read a stack."""


@dataclass(frozen=True)
class Stack:
    """A deployed stack.

    Attributes:
        name: Name of the stack.
        outputs: The outputs by name.
        parameters: The values of the parameters by name.
    """

    name: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]


def find_stack(account: Account, name: str) -> Stack | None:
    """Return a stack, or None if no stack has this name.

    Raises:
        StackNotReadableError: The caller may not read the stack.
        UserError: The stack is not in a usable state.
    """
    try:
        [stack] = account.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error_code(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise StackNotReadableError(
            f"cannot read the stack {name} in {account.description}: {error}"
        ) from None
    if stack["StackStatus"] not in _DEPLOYED_STATES:
        raise UserError(
            f"the stack {name} in {account.description} has the status {stack['StackStatus']}: wait"
            " until it is deployed, or delete it if its first deployment failed"
        )
    return Stack(
        name,
        {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
        {
            parameter["ParameterKey"]: parameter["ParameterValue"]
            for parameter in stack.get("Parameters", [])
        },
    )


def get_stack(account: Account, name: str) -> Stack:
    """Return a stack that must exist.

    Raises:
        UserError: The stack does not exist, or it is not in a usable state.
    """
    stack = find_stack(account, name)
    if stack is None:
        raise UserError(
            f"{account.description} has no stack {name}: deploy it, or specify another name with"
            " --stack"
        )
    return stack
