"""What an API answers, in MiniStack's form and in JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from local.extensions.patching.patches import resolve

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""

_RESPONSES = "ministack.core.responses"


def accepted(content: dict[str, Any]) -> Answer:
    """What was asked for."""
    answer: Answer = resolve(_RESPONSES, "json_response")(content)
    return answer


def refused(code: str, message: str, **more: Any) -> Answer:
    """An error of the caller's; `more` as MiniStack's own function takes it."""
    answer: Answer = resolve(_RESPONSES, "error_response_json")(code, message, 400, **more)
    return answer


def plain_json(value: Any, moment: Callable[[datetime], Any]) -> Any:
    """A value as JSON has it; `moment` writes a time, which each service does in its own way."""
    if isinstance(value, dict):
        return {name: plain_json(part, moment) for name, part in value.items()}
    if isinstance(value, list):
        return [plain_json(part, moment) for part in value]
    return moment(value) if isinstance(value, datetime) else value
