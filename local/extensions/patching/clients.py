"""Calls from inside the server to its own endpoint: what a service of AWS does with a role.

They go over HTTP like anybody's, so that IAM decides them, conditions and denials with it.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache, lru_cache
from threading import Lock
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.config import Config

from local import ACCOUNT, REGION, SECRET
from local.extensions.patching.patches import resolve

_POLICIES = "ministack.core.iam_evaluator"
_creating = Lock()  # boto3's sessions are not made for several threads


class NotAssumableError(Exception):
    """The role is not there, or does not trust the service that wants it."""


def client(service: str, role_arn: str | None = None, trusted: str = "", **source: str) -> Any:
    """A boto3 client of this cloud, as the account's root or with the rights of a role.

    `trusted` is the service that takes the role, such as `states.amazonaws.com`: then the role has
    to trust it. `source` are the condition keys of that, besides `aws:SourceAccount`, as in
    `sourcearn=...`. NotAssumableError.
    """
    if role_arn and trusted:
        check_trust(role_arn, trusted, **source)
    with _creating:
        return _client(service, role_arn)


def check_trust(role_arn: str, service: str, **source: str) -> None:
    """NotAssumableError unless the role is there and lets the service assume it."""
    name = role_arn.rsplit("/", 1)[-1]
    role = resolve("ministack.services.iam", "_roles").get_scoped(ACCOUNT, None, name)
    if role is None:
        raise NotAssumableError(f"The role {role_arn} does not exist.")
    keys = {f"aws:{key}": value for key, value in source.items()}
    context = resolve(_POLICIES, "EvalContext")(
        principal_arn="",
        principal_type="Service",
        principal_account=ACCOUNT,
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region=REGION,
        service_context={"aws:sourceaccount": ACCOUNT, **keys},
    )
    judge = resolve(
        _POLICIES,
        "evaluate_resource_policy",
        ("doc", "ctx", "service", "named_only", "direct_only"),
    )
    if judge(role["AssumeRolePolicyDocument"], context, service).decision != "Allow":
        raise NotAssumableError(f"{service} is not allowed to assume the role {role_arn}.")


def role_credentials(role_arn: str) -> dict[str, str]:
    """Keys of a session of the role, in the environment's names; always the same ones."""
    name = role_arn.rsplit("/", 1)[-1]
    digest = hashlib.sha256(f"local {role_arn}".encode()).hexdigest()
    key, secret, token = f"ASIA{digest[:16].upper()}", digest, digest[::-1]
    resolve("ministack.services.sts", "register_session", ("access_key", "session"))(
        key,
        {
            "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/local",
            "UserId": f"{name}:local",
            "SecretAccessKey": secret,
            "SessionToken": token,
        },
    )
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


@cache
def _session() -> boto3.session.Session:
    """One for all clients: each new one would read the services' descriptions again."""
    return boto3.session.Session()


@lru_cache(maxsize=64)
def _client(service: str, role_arn: str | None) -> BaseClient:
    keys = (
        role_credentials(role_arn)
        if role_arn
        else {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": SECRET}
    )
    # boto3's own types want the service's name as a literal.
    make: Any = _session().client
    made: BaseClient = make(
        service,
        region_name=REGION,
        endpoint_url=os.environ["LOCAL_ENDPOINT"],
        verify=os.environ["LOCAL_CA_BUNDLE"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=keys.get("AWS_SESSION_TOKEN"),
        # Whoever calls decides what is tried again, as Step Functions' Retry does.
        config=Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=50,
            read_timeout=960,  # a Lambda may take a quarter of an hour
        ),
    )
    return made
