"""CloudFormation's custom resources: whatever happens, CloudFormation is told how it ended.

Otherwise it would wait for an hour. Why no library: crhelper, the known one, waits two minutes in
every deletion, writes the pre-signed address into its log and repeats an answer without end.
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

CREATION_FAILED_ID = "not made"
"""The physical id of a resource whose creation failed."""

# Enough for every try to tell, each of which may wait for the connection and for the answer.
RESERVED_SECONDS = 20.0
_TRIES = 3
_TRY_SECONDS = 3
# CloudFormation takes 4,096 bytes in all; a character has up to four.
_LONGEST_REASON = 600


class ResponseDeliveryError(PipelineError):
    """CloudFormation could not be told; Lambda repeats the request after this."""


@dataclass(frozen=True)
class ResourceResponse:
    """How a request ended: the resource's id and attributes, or what went wrong."""

    physical_id: str
    data: Mapping[str, str] = field(default_factory=dict)
    error: Exception | None = None

    @property
    def status(self) -> str:
        return "FAILED" if self.error else "SUCCESS"


def handle_request(
    event: CloudFormationCustomResourceEvent,
    context: LambdaContext,
    act: Callable[[], ResourceResponse],
) -> ResourceResponse:
    """Do what is asked and tell CloudFormation how it ended, in time; the answer that was told.

    An error of `act` is an answer, and so is time running out. It must not end the function: Lambda
    would repeat the request, after CloudFormation has gone on with another one.
    """
    seconds = context.get_remaining_time_in_millis() / 1000 - RESERVED_SECONDS
    answer = _carry_out(act, max(seconds, 0.0), event.physical_resource_id or CREATION_FAILED_ID)
    where = f"log of {context.function_name}, request {context.aws_request_id}"
    _tell(event, answer, where)
    return answer


def _carry_out(
    act: Callable[[], ResourceResponse], seconds: float, physical_id: str
) -> ResourceResponse:
    # A thread can be left alone where a call does not come back. Lambda freezes it with the rest.
    worker = ThreadPoolExecutor(max_workers=1)
    future = worker.submit(act)
    worker.shutdown(wait=False)
    if not wait([future], timeout=seconds).done:
        late = TimeoutError("the function's time ran out; it may have been half done")
        return ResourceResponse(physical_id, error=late)
    error = future.exception()
    if isinstance(error, Exception):
        return ResourceResponse(physical_id, error=error)
    return future.result()


def _tell(event: CloudFormationCustomResourceEvent, answer: ResourceResponse, where: str) -> None:
    """Put the answer to the address that came with the request, which holds a signature."""
    reason = f"{type(answer.error).__name__}: {answer.error}" if answer.error else "done"
    body = {
        "Status": answer.status,
        "Reason": f"{reason[:_LONGEST_REASON]} ({where})",
        "PhysicalResourceId": answer.physical_id,
        "StackId": event.stack_id,
        "RequestId": event.request_id,
        "LogicalResourceId": event.logical_resource_id,
        "Data": dict(answer.data),
    }
    content = json.dumps(body, ensure_ascii=False).encode()
    retrying = Retrying(
        retry=retry_if_exception(_is_temporary),
        stop=stop_after_attempt(_TRIES),
        wait=wait_exponential_jitter(multiplier=0.2, max=1),
        reraise=True,
    )
    try:
        retrying(_put, event.response_url, content)
    except (OSError, HTTPException, ValueError) as error:
        # Without the cause: some of these errors repeat the address.
        name = f"{type(error).__name__} {getattr(error, 'code', '')}".strip()
        raise ResponseDeliveryError(
            f"CloudFormation was not told {answer.status}: {name}"
        ) from None


def _put(url: str, content: bytes) -> None:
    # The address is signed for no content type.
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own address
        url, data=content, method="PUT", headers={"Content-Type": ""}
    )
    with urllib.request.urlopen(request, timeout=_TRY_SECONDS):  # noqa: S310
        pass


def _is_temporary(error: BaseException) -> bool:
    if isinstance(error, HTTPError):
        return error.code >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, OSError | HTTPException)
