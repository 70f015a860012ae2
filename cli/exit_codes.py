"""The exit codes of all commands, and the errors that lead to them.

| code | meaning |
|---|---|
| 0 | The command is done, also if there was nothing to show. |
| 1 | Something failed that the caller cannot correct. |
| 2 | The caller has to correct something: the input, the options, the run, or the credentials. |
| 3 | The run ended without results. A superseded run has results. |
| 4 | The time limit of waiting has passed. |
| 130 | The command was interrupted. A run that it was watching continues. |
"""

from __future__ import annotations

import sys

from contract.exit_codes import EXIT_INTERNAL_ERROR, EXIT_INVALID_INPUT, EXIT_OK
from local.errors import LocalCloudError, UserError

__all__ = [
    "EXIT_INTERNAL_ERROR",
    "EXIT_INTERRUPTED",
    "EXIT_INVALID_INPUT",
    "EXIT_NO_RESULTS",
    "EXIT_OK",
    "EXIT_TIMEOUT",
    "CommandError",
    "NoResultsError",
    "WaitTimeoutError",
    "get_exit_code",
]

EXIT_NO_RESULTS = 3
EXIT_TIMEOUT = 4
EXIT_INTERRUPTED = 130

# What AWS answers if the credentials are missing, wrong, expired, or without a permission.
_CREDENTIAL_ERRORS = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "NotAuthorized",
    "AuthorizationError",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
}


class CommandError(Exception):
    """An error whose message is for the user of a command. It ends the command without traceback.

    Attributes:
        exit_code: The exit code of the command.
    """

    exit_code = EXIT_INTERNAL_ERROR


class NoResultsError(CommandError):
    """The run ended without results."""

    exit_code = EXIT_NO_RESULTS


class WaitTimeoutError(CommandError):
    """What the command waited for did not happen in time."""

    exit_code = EXIT_TIMEOUT


def get_exit_code(error: BaseException) -> int | None:
    """Return the exit code of a command that ended with an error.

    Returns:
        The exit code, or `None` for an error that is a defect of the command itself: its traceback
        is of use.
    """
    if isinstance(error, UserError):
        return EXIT_INVALID_INPUT
    if isinstance(error, CommandError):
        return error.exit_code
    if isinstance(error, LocalCloudError):
        return EXIT_INTERNAL_ERROR
    return _get_exit_code_of_service_error(error)


def _get_exit_code_of_service_error(error: BaseException) -> int | None:
    if "botocore" not in sys.modules:  # its import takes longer than most commands
        return None
    from botocore.exceptions import (  # noqa: PLC0415 - see above
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        PartialCredentialsError,
        TokenRetrievalError,
        UnauthorizedSSOTokenError,
    )

    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        return EXIT_INVALID_INPUT if code in _CREDENTIAL_ERRORS else EXIT_INTERNAL_ERROR
    credential_errors = (
        NoCredentialsError,
        PartialCredentialsError,
        TokenRetrievalError,
        UnauthorizedSSOTokenError,
    )
    if isinstance(error, credential_errors):
        return EXIT_INVALID_INPUT
    return EXIT_INTERNAL_ERROR if isinstance(error, BotoCoreError) else None
