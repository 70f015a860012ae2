"""What every function writes for those who watch it: log lines, traces, metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.aws.clients import is_temporary
from pipeline.errors import RetryableError

NAMESPACE = "RentalKpi"

Answer = TypeVar("Answer")


def observers(function: str) -> tuple[Logger, Tracer, Metrics]:
    """The logger, tracer and metrics of a function, by its name."""
    return (
        Logger(service=function),
        Tracer(service=function),
        Metrics(namespace=NAMESPACE, service=function),
    )


def log_and_translate_errors(
    logger: Logger,
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Give a handler's failures what Lambda and boto3 do not know.

    Each is logged with the keys of the handler's lines. What is temporary becomes a
    RetryableError, the one name that the state machine tries again.
    """

    def decorate(handler: Callable[..., Answer]) -> Callable[..., Answer]:
        @wraps(handler)
        def owning(event: Any, context: LambdaContext) -> Answer:
            try:
                return handler(event, context)
            except Exception as error:
                logger.exception("failed")
                if is_temporary(error):
                    raise RetryableError(str(error)) from error
                raise

        return owning

    return decorate
