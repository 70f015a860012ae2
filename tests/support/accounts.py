"""Accounts whose AWS services give prepared responses, checked against the models of the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.stub import Stubber

from cli.check_results import CheckResult
from cli.target.account import Account

REGION = "eu-west-1"


@dataclass(frozen=True)
class Denied:
    """A call that fails.

    Attributes:
        code: The error code.
        message: The error message.
    """

    code: str = "AccessDeniedException"
    message: str = ""


@dataclass
class StubbedAccount:
    """An account with prepared responses.

    Attributes:
        clients: The stubbed client of each service.
    """

    clients: dict[str, Any] = field(default_factory=dict)
    caller_arn: str = "arn:aws:iam::123456789012:user/deployer"

    def respond(
        self,
        service: str,
        operation: str,
        response: Mapping[str, Any] | Denied,
        expected: Mapping[str, Any] | None = None,
    ) -> None:
        """Add the response to the next call of a service.

        Args:
            service: The service, as boto3 names it.
            operation: The method of the client.
            response: The response.
            expected: The expected parameters of the call. Not checked by default.
        """
        if service not in self.clients:
            client = boto3.client(  # type: ignore[call-overload]
                service, REGION, config=Config(signature_version=UNSIGNED)
            )
            stubber = Stubber(client)
            stubber.activate()
            self.clients[service] = (client, stubber)
        _, stubber = self.clients[service]
        if isinstance(response, Denied):
            stubber.add_client_error(operation, response.code, response.message)
        else:
            stubber.add_response(operation, dict(response), expected)

    @property
    def account(self) -> Account:
        """The account as the commands see it."""
        return Account(
            f"account 123456789012 in {REGION}",
            REGION,
            self.caller_arn,
            is_local=False,
            create_client=lambda service: self.clients[service][0],
        )

    def assert_all_calls_were_made(self) -> None:
        """Check that every prepared response was used."""
        for _, stubber in self.clients.values():
            stubber.assert_no_pending_responses()


def describe_results(results: Iterable[CheckResult]) -> list[tuple[str, str]]:
    """Return the status and the text of each result."""
    return [(str(result.status), result.text) for result in results]
