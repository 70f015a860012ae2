"""The caller of a request, and clients that act with the caller's credentials."""

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

_IAM_EVALUATOR = "ministack.core.iam_evaluator"
_RESPONSES = "ministack.core.responses"
_client_lock = threading.Lock()  # creating boto3 clients is not thread-safe


class UnknownCallerError(Exception):
    """The access key of a request does not exist or is no longer valid."""


@dataclass(frozen=True)
class Caller:
    """The identity that signed a request.

    Attributes:
        access_key_id: The access key of a user, of a role session, or of the account's root.
        secret_access_key: The secret of the access key.
        session_token: The token of a role session. `None` for long-term credentials.
        region: The region that the request was sent to.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str | None
    region: str

    def client(self, service: str) -> Any:
        """Return a boto3 client of this cloud that uses the caller's credentials.

        Its calls go over HTTP, so IAM authorizes them like any other request of the caller.
        """
        with _client_lock:
            return _create_client(service, self)


def get_caller(headers: dict[str, str], query: dict[str, Any]) -> Caller:
    """Return the caller of a request.

    Args:
        headers: The request's HTTP headers.
        query: The request's query parameters.

    Raises:
        UnknownCallerError: The request's access key is unknown or no longer valid.
    """
    extract_access_key_id = resolve(
        "ministack.core.router", "extract_access_key_id", ("headers", "query_params")
    )
    resolve_credential = resolve(
        _IAM_EVALUATOR, "resolve_credential", ("access_key_id", "account_id", "session_token")
    )
    account_id = resolve(_RESPONSES, "get_account_id")()
    credential = resolve_credential(extract_access_key_id(headers, query), account_id)
    if isinstance(credential, resolve(_IAM_EVALUATOR, "CredentialResolutionError")):
        raise UnknownCallerError(credential.message)
    return Caller(
        credential.access_key_id,
        credential.secret_access_key,
        credential.session_token,
        resolve(_RESPONSES, "get_region")(),
    )


@lru_cache(maxsize=64)
def _create_client(service: str, caller: Caller) -> BaseClient:
    client: BaseClient = boto3.session.Session().client(  # type: ignore[call-overload]
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
    return client
