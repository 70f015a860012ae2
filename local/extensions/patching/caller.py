"""Whoever made a request: what a service does in their name is done with their credentials."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.config import Config

from local.extensions.patching.patches import resolve

_ACCESS = "ministack.core.iam_evaluator"
_REQUEST = "ministack.core.responses"
_creating = threading.Lock()  # boto3's sessions are not made for several threads


class UnknownCallerError(Exception):
    """The request's key belongs to nobody, or no longer."""


@dataclass(frozen=True)
class Caller:
    """Credentials of a user, a role's session or the account itself, and the region they asked."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None
    region: str

    def client(self, service: str) -> Any:
        """A client of this server's own API, which asks IAM as for any other request of theirs."""
        with _creating:
            return _client(service, self)


def caller_of(headers: dict[str, str], query: dict[str, Any]) -> Caller:
    """Who signed the request; UnknownCallerError if its key is not, or no longer, valid."""
    key = resolve("ministack.core.router", "extract_access_key_id", ("headers", "query_params"))
    resolve_credential = resolve(
        _ACCESS, "resolve_credential", ("access_key_id", "account_id", "session_token")
    )
    credential = resolve_credential(key(headers, query), resolve(_REQUEST, "get_account_id")())
    if isinstance(credential, resolve(_ACCESS, "CredentialResolutionError")):
        raise UnknownCallerError(credential.message)
    return Caller(
        credential.access_key_id,
        credential.secret_access_key,
        credential.session_token,
        resolve(_REQUEST, "get_region")(),
    )


@lru_cache(maxsize=64)
def _client(service: str, caller: Caller) -> BaseClient:
    made: BaseClient = boto3.session.Session().client(  # type: ignore[call-overload]
        service,
        region_name=caller.region,
        endpoint_url=os.environ["LOCAL_ENDPOINT"],
        verify=os.environ["LOCAL_CA_BUNDLE"],
        aws_access_key_id=caller.access_key_id,
        aws_secret_access_key=caller.secret_access_key,
        aws_session_token=caller.session_token,
        config=Config(
            retries={"total_max_attempts": 2, "mode": "standard"}, max_pool_connections=20
        ),
    )
    return made
