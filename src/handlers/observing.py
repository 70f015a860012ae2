"""What every function writes for those who watch it: log lines, traces, metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

NAMESPACE = "RentalKpi"

Answer = TypeVar("Answer")


def observers(function: str) -> tuple[Logger, Tracer, Metrics]:
    """The logger, tracer and metrics of a function, by its name."""
    return (
        Logger(service=function),
        Tracer(service=function),
        Metrics(namespace=NAMESPACE, service=function),
    )


def log_failure(
    logger: Logger,
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Log what a handler raises with the keys of its lines: Lambda knows no run and no batch."""

    def decorate(handler: Callable[..., Answer]) -> Callable[..., Answer]:
        @wraps(handler)
        def logged(event: Any, context: LambdaContext) -> Answer:
            try:
                return handler(event, context)
            except Exception:
                logger.exception("failed")
                raise

        return logged

    return decorate
