"""Credentials that other users of this machine cannot guess.

MiniStack accepts the ID of the account, the word `test`, and an empty access key for the account's
root user without verifying a signature, and derives the credentials of functions from public names.
Here, the root user has one access key, which is created when the server starts, and the signature
of each of its requests is verified.
"""

from __future__ import annotations

import os
from typing import Any

from local import ACCOUNT
from local.extensions.patching.clients import get_role_credentials
from local.extensions.patching.patches import replace, resolve

_MAX_SESSION_NAME_LENGTH = 64


def install() -> None:
    """Register the root user's access key, and replace how keys are recognized and created."""
    # To MiniStack, the key is that of a session, because only these have a principal of their own.
    resolve("ministack.services.sts", "register_session", ("access_key", "session"))(
        os.environ["AWS_ACCESS_KEY_ID"],
        {
            "Arn": f"arn:aws:iam::{ACCOUNT}:root",
            "UserId": ACCOUNT,
            "SecretAccessKey": os.environ["AWS_SECRET_ACCESS_KEY"],
        },
    )
    for module in ("ministack.core.iam_evaluator", "ministack.services.sts"):
        replace(module, "is_root_access_key", _is_root_access_key, ("access_key_id",))
    for module in ("ministack.core.lambda_runtime", "ministack.services.lambda_svc"):
        replace(module, "execution_credentials", _get_execution_credentials, ("config",))


def _is_root_access_key(access_key_id: str) -> bool:  # noqa: ARG001 - the signature is MiniStack's
    """Return whether an access key is that of the root user whatever its secret is: none is."""
    return False


def _get_execution_credentials(config: dict[str, Any]) -> dict[str, str]:
    """Return the credentials of a function's role as environment variables."""
    session_name = config["FunctionName"][:_MAX_SESSION_NAME_LENGTH]
    return get_role_credentials(config["Role"], session_name)
