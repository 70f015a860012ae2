"""Log lines and metrics that every function writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from contract.text import escape_control_characters
from pipeline.aws.clients import is_temporary
from pipeline.errors import RetryableError

NAMESPACE = "RentalKpi"

Result = TypeVar("Result")


def create_observers(function: str) -> tuple[Logger, Metrics]:
    """Create the logger and the metrics of a function.

    Args:
        function: Name of the function, such as `check_run`: the service of each line and metric.
            The handler adds the dimension `stack` to the metrics when it has loaded its settings,
            because stacks of one account and region share the namespace.
    """
    logger = Logger(service=function, json_serializer=_serialize_log_line)
    return logger, Metrics(namespace=NAMESPACE, service=function)


def _serialize_log_line(content: dict[str, Any]) -> str:
    """Return a log line as JSON, readable in any language and safe to show in a terminal."""
    line = json.dumps(content, default=str, separators=(",", ":"), ensure_ascii=False)
    # JSON escapes some control characters only. The other escapes are also those of JSON.
    return escape_control_characters(line)


def log_and_translate_errors(
    logger: Logger,
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Return a decorator that logs a handler's errors and marks the temporary ones as retryable.

    Each error is logged with the keys that the handler appended to its logger. A temporary error
    becomes a RetryableError, the one error name that the state machine retries.

    Args:
        logger: The logger of the decorated handler.
    """

    def decorate(handler: Callable[..., Result]) -> Callable[..., Result]:
        @wraps(handler)
        def handle(event: Any, context: LambdaContext) -> Result:
            try:
                return handler(event, context)
            except Exception as error:
                logger.exception("The function failed")
                if is_temporary(error):
                    raise RetryableError(str(error)) from error
                raise

        return handle

    return decorate
