"""Run checks so that one that is not allowed does not prevent the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from botocore.exceptions import BotoCoreError, ClientError

from cli.check_results import CheckResult, warn
from local.errors import UserError
from pipeline.aws.clients import error_code

_ACCESS_ERRORS = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "UnauthorizedOperation",
    "UnauthorizedException",
}
_CREDENTIAL_ERRORS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "RequestExpired",
    "UnrecognizedClientException",
}
_ACTION = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)")


def run_check(subject: str, check: Callable[[], Iterator[CheckResult]]) -> Iterator[CheckResult]:
    """Yield the results of a check, or a warning if it could not be made.

    Args:
        subject: What is checked, in a few words.
        check: The check.

    Raises:
        UserError: The credentials are not valid, so that no check can be made.
    """
    try:
        yield from check()
    except ClientError as error:
        code = error_code(error)
        if code in _CREDENTIAL_ERRORS:
            raise UserError(f"the AWS credentials are not valid or have expired: {error}") from None
        if code in _ACCESS_ERRORS:
            yield warn(subject, f"could not be checked: needs permission {get_action(error)}")
        else:
            yield warn(subject, f"could not be checked: {error}")
    except BotoCoreError as error:
        yield warn(subject, f"could not be checked: {error}")


def get_action(error: ClientError) -> str:
    """Return the action that the caller may not perform, such as `ec2:DescribeSubnets`."""
    match = _ACTION.search(str(error))
    return match["action"] if match else error.operation_name
