"""Clients for the calls that an AWS service makes with a role, such as EMR with a service role.

The calls go over HTTP to the server's own endpoint, so IAM authorizes them like any other request,
including conditions and explicit denies.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from functools import cache, lru_cache
from threading import Lock
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.config import Config

from local import ACCOUNT, REGION
from local.extensions.patching.patches import resolve

_IAM_EVALUATOR = "ministack.core.iam_evaluator"
_client_lock = Lock()  # creating boto3 clients is not thread-safe
_credential_key = secrets.token_bytes(32)


class AssumeRoleError(Exception):
    """A role does not exist, or does not trust the service that assumes it."""


def get_client(service: str, role_arn: str | None = None, trusted: str = "", **source: str) -> Any:
    """Return a boto3 client of this cloud.

    Args:
        service: The service to call, as boto3 names it.
        role_arn: The role whose permissions the client has. `None` for the account's root.
        trusted: The service principal that assumes the role, such as `states.amazonaws.com`. If
            given, the role must trust it.
        **source: Condition keys for the trust policy besides `aws:SourceAccount`, without their
            `aws:` prefix, such as `sourcearn=...`.

    Raises:
        AssumeRoleError: The role does not exist or does not trust `trusted`.
    """
    if role_arn and trusted:
        check_trust(role_arn, trusted, **source)
    with _client_lock:
        return _create_client(service, role_arn)


def check_trust(role_arn: str, service: str, **source: str) -> None:
    """Check that a service may assume a role.

    Args:
        role_arn: The role to assume.
        service: The service principal that assumes it, such as `states.amazonaws.com`.
        **source: Condition keys for the trust policy, as for `get_client`.

    Raises:
        AssumeRoleError: The role does not exist or does not trust the service.
    """
    name = role_arn.rsplit("/", 1)[-1]
    role = resolve("ministack.services.iam", "_roles").get_scoped(ACCOUNT, None, name)
    if role is None:
        raise AssumeRoleError(f"The role {role_arn} does not exist.")
    condition_keys = {f"aws:{key}": value for key, value in source.items()}
    context = resolve(_IAM_EVALUATOR, "EvalContext")(
        principal_arn="",
        principal_type="Service",
        principal_account=ACCOUNT,
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region=REGION,
        service_context={"aws:sourceaccount": ACCOUNT, **condition_keys},
    )
    evaluate = resolve(
        _IAM_EVALUATOR,
        "evaluate_resource_policy",
        ("doc", "ctx", "service", "named_only", "direct_only"),
    )
    if evaluate(role["AssumeRolePolicyDocument"], context, service).decision != "Allow":
        raise AssumeRoleError(f"{service} is not authorized to assume the role {role_arn}.")


def get_role_credentials(role_arn: str, session_name: str = "local") -> dict[str, str]:
    """Return credentials of a session of a role.

    Args:
        role_arn: The ARN of the role.
        session_name: The name of the session.

    Returns:
        The credentials by the names of their environment variables. A session always gets the same
        credentials from one server process.
    """
    name = role_arn.rsplit("/", 1)[-1]
    message = f"{role_arn} {session_name}".encode()
    digest = hmac.new(_credential_key, message, hashlib.sha512).hexdigest()
    key, secret, token = f"ASIA{digest[:16].upper()}", digest[16:56], digest[56:]
    resolve("ministack.services.sts", "register_session", ("access_key", "session"))(
        key,
        {
            "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session_name}",
            "UserId": f"{name}:{session_name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
        },
    )
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


@cache
def _session() -> boto3.session.Session:
    """Return the session of all clients: each new session loads the service models again."""
    return boto3.session.Session()


@lru_cache(maxsize=64)
def _create_client(service: str, role_arn: str | None) -> BaseClient:
    # The environment of the server contains the access key of the account's root.
    credentials = get_role_credentials(role_arn) if role_arn else os.environ
    # boto3's type stubs require the service's name as a literal.
    create: Any = _session().client
    client: BaseClient = create(
        service,
        region_name=REGION,
        endpoint_url=os.environ["LOCAL_ENDPOINT"],
        verify=os.environ["LOCAL_CA_BUNDLE"],
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=credentials.get("AWS_SESSION_TOKEN"),
        # The caller decides what is retried, as Step Functions does with Retry.
        config=Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=50,
            read_timeout=960,  # seconds; a Lambda function may run for 15 minutes
        ),
    )
    return client
