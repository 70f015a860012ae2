"""The protocol of CloudFormation's custom resources.

CloudFormation waits for one hour if a custom resource sends no response, so a response is sent
whatever happens. The library crhelper is not used because it waits two minutes in every deletion,
logs the pre-signed response URL, and repeats a response without a limit.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from urllib.error import HTTPError

from aws_lambda_powertools.utilities.data_classes import CloudFormationCustomResourceEvent
from aws_lambda_powertools.utilities.typing import LambdaContext
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from pipeline.errors import PipelineError

CREATION_FAILED_ID = "creation-failed"
"""Physical ID of a resource whose creation failed."""

RESERVED_SECONDS = 20.0
"""Time for all attempts to send the response. Each may wait to connect, and for the reply."""

_MAX_ATTEMPTS = 3
_ATTEMPT_TIMEOUT_SECONDS = 3
# CloudFormation accepts responses of up to 4,096 bytes. A character has up to four bytes.
_MAX_REASON_LENGTH = 600


class ResponseDeliveryError(PipelineError):
    """The response could not be sent to CloudFormation. Lambda repeats the request."""


@dataclass(frozen=True)
class ResourceResponse:
    """The result of a request.

    Attributes:
        physical_id: Physical ID of the resource.
        data: Attributes of the resource.
        error: Why the request failed. None if it succeeded.
    """

    physical_id: str
    data: Mapping[str, str] = field(default_factory=dict)
    error: Exception | None = None

    @property
    def status(self) -> str:
        """The status that CloudFormation receives."""
        return "FAILED" if self.error else "SUCCESS"


def handle_request(
    event: CloudFormationCustomResourceEvent,
    context: LambdaContext,
    action: Callable[[], ResourceResponse],
) -> ResourceResponse:
    """Carry out a request, and send its result to CloudFormation before the function times out.

    An error of the action, or its timeout, is sent as the status FAILED and is not raised: Lambda
    would repeat the request when CloudFormation has already continued with another one.

    Args:
        event: The request.
        context: The context of the invocation.
        action: Carries out the request.

    Returns:
        The response that was sent.

    Raises:
        ResponseDeliveryError: The response could not be sent.
    """
    timeout_seconds = context.get_remaining_time_in_millis() / 1000 - RESERVED_SECONDS
    physical_id = event.physical_resource_id or CREATION_FAILED_ID
    response = _run_with_timeout(action, max(timeout_seconds, 0.0), physical_id)
    log_location = f"log of {context.function_name}, request {context.aws_request_id}"
    _send_response(event, response, log_location)
    return response


def _run_with_timeout(
    action: Callable[[], ResourceResponse], timeout_seconds: float, physical_id: str
) -> ResourceResponse:
    # A thread can be abandoned when a call does not return. Lambda freezes it with the process.
    executor = ThreadPoolExecutor(max_workers=1)
    future = executor.submit(action)
    executor.shutdown(wait=False)
    if not wait([future], timeout=timeout_seconds).done:
        timeout = TimeoutError("the function timed out, and may have done part of the work")
        return ResourceResponse(physical_id, error=timeout)
    error = future.exception()
    if isinstance(error, Exception):
        return ResourceResponse(physical_id, error=error)
    return future.result()


def _send_response(
    event: CloudFormationCustomResourceEvent, response: ResourceResponse, log_location: str
) -> None:
    """Send a response to the URL of the request. The URL contains a signature."""
    reason = f"{type(response.error).__name__}: {response.error}" if response.error else "Completed"
    body = {
        "Status": response.status,
        "Reason": f"{reason[:_MAX_REASON_LENGTH]} ({log_location})",
        "PhysicalResourceId": response.physical_id,
        "StackId": event.stack_id,
        "RequestId": event.request_id,
        "LogicalResourceId": event.logical_resource_id,
        "Data": dict(response.data),
    }
    content = json.dumps(body, ensure_ascii=False).encode()
    retrying = Retrying(
        retry=retry_if_exception(_is_temporary),
        stop=stop_after_attempt(_MAX_ATTEMPTS),
        wait=wait_exponential_jitter(multiplier=0.2, max=1),
        reraise=True,
    )
    try:
        retrying(_put, event.response_url, content)
    except (OSError, HTTPException, ValueError) as error:
        # Neither the message nor the cause: some of these errors contain the URL.
        name = f"{type(error).__name__} {getattr(error, 'code', '')}".strip()
        raise ResponseDeliveryError(
            f"the status {response.status} could not be sent to CloudFormation: {name}"
        ) from None


def _put(url: str, content: bytes) -> None:
    # The URL is signed for an empty content type.
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own address
        url, data=content, method="PUT", headers={"Content-Type": ""}
    )
    with urllib.request.urlopen(request, timeout=_ATTEMPT_TIMEOUT_SECONDS):  # noqa: S310
        pass


def _is_temporary(error: BaseException) -> bool:
    if isinstance(error, HTTPError):
        return error.code >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, OSError | HTTPException)
