"""Wait for something in a target, by asking for it at intervals."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from cli.exit_codes import WaitTimeoutError
from local.errors import UserError

Answer = TypeVar("Answer")

_DURATION = re.compile(r"(?P<number>[0-9]{1,6})(?P<unit>[smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def poll(
    ask: Callable[[], Answer],
    is_done: Callable[[Answer], bool],
    *,
    seconds: float,
    timeout: float,
    description: str,
) -> Answer:
    """Ask until an answer is the one that a command waits for.

    Args:
        ask: Asks once.
        is_done: Whether the command can continue with an answer.
        seconds: Time between two questions: `Account.poll_seconds`.
        timeout: Maximum time to wait, in seconds.
        description: What did not happen, for the error message.

    Returns:
        The last answer.

    Raises:
        WaitTimeoutError: The time has passed.
    """
    try:
        return Retrying(
            retry=retry_if_result(lambda answer: not is_done(answer)),
            wait=wait_fixed(seconds),
            stop=stop_after_delay(timeout),
        )(ask)
    except RetryError:
        duration = timedelta(seconds=round(timeout))
        raise WaitTimeoutError(f"{description} within {duration}") from None


def parse_duration(text: str) -> float:
    """Return a duration such as 90s, 30m, 2h, or 7d in seconds.

    Raises:
        UserError: The text is not a duration.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UserError(f"{text!r} is not a duration: write 90s, 30m, 2h, or 7d")
    return timedelta(**{_UNITS[match["unit"]]: int(match["number"])}).total_seconds()
