"""The settings of each function: one class per function, one field per environment variable.

The types of the fields are `str`, `int`, and `float`, which convert the text of a variable.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, TypeVar, get_type_hints

from pipeline.errors import SettingsError

T = TypeVar("T")
Check = Callable[[Any], str]
"""A function that returns a problem, such as `must not be empty`, or an empty string."""


def _check_text(value: str) -> str:
    return "" if value.strip() else "must not be empty"


def _check_positive(value: float) -> str:
    return "" if 0 < value < math.inf else "must be a positive number"


def _check_percent(value: float) -> str:
    return "" if 0 <= value <= 100 else "must be between 0 and 100"  # noqa: PLR2004 - percent


def _setting(check: Check) -> Any:
    return field(metadata={"check": check})


@dataclass(frozen=True)
class FunctionSettings:
    """Settings of every function."""

    stack: str = _setting(_check_text)


@dataclass(frozen=True)
class EmailSettings(FunctionSettings):
    """Settings of every function that sends emails."""

    ledger_table: str = _setting(_check_text)
    ledger_retention_days: int = _setting(_check_positive)
    topic_arn: str = _setting(_check_text)

    @property
    def ledger_retention(self) -> timedelta:
        """Time for which notifications and runs stay recorded."""
        return timedelta(days=self.ledger_retention_days)


@dataclass(frozen=True)
class IntakeSettings(EmailSettings):
    """Settings of the functions that claim batches and start runs."""

    bucket: str = _setting(_check_text)
    state_machine_arn: str = _setting(_check_text)
    max_concurrent_runs: int = _setting(_check_positive)
    max_upload_spread_hours: float = _setting(_check_positive)


@dataclass(frozen=True)
class ReceiveUploadSettings(IntakeSettings):
    """Settings of `receive_upload`."""


@dataclass(frozen=True)
class PinInputsSettings(FunctionSettings):
    """Settings of `pin_inputs`."""

    bucket: str = _setting(_check_text)


@dataclass(frozen=True)
class CheckRunSettings(FunctionSettings):
    """Settings of `check_run`."""

    bucket: str = _setting(_check_text)
    max_rejected_percent: float = _setting(_check_percent)


@dataclass(frozen=True)
class PublishResultsSettings(EmailSettings):
    """Settings of `publish_results`."""

    bucket: str = _setting(_check_text)
    database: str = _setting(_check_text)
    max_rejected_percent: float = _setting(_check_percent)
    workgroup: str = _setting(_check_text)


@dataclass(frozen=True)
class ReportFailureSettings(EmailSettings):
    """Settings of `report_failure`."""

    bucket: str = _setting(_check_text)
    state_machine_arn: str = _setting(_check_text)


@dataclass(frozen=True)
class WatchdogSettings(IntakeSettings):
    """Settings of `watchdog`."""

    incomplete_batch_hours: float = _setting(_check_positive)


@dataclass(frozen=True)
class InstallScriptsSettings(FunctionSettings):
    """Settings of `install_scripts`."""

    bucket: str = _setting(_check_text)


def load_settings(settings: type[T]) -> T:
    """Load settings from environment variables, such as the field `bucket` from `BUCKET`.

    Args:
        settings: The settings class of the function.

    Returns:
        The settings.

    Raises:
        SettingsError: A variable is missing or invalid. The message names each one.
    """
    values, problems = {}, []
    types = get_type_hints(settings)
    for setting in fields(settings):  # type: ignore[arg-type]
        name, expected_type = setting.name.upper(), types[setting.name]
        text = os.environ.get(name)
        if text is None:
            problems.append(f"{name} is not set")
            continue
        try:
            value = expected_type(text)
        except ValueError:
            problem = f"must be of type {expected_type.__name__}"
        else:
            values[setting.name] = value
            problem = setting.metadata["check"](value)
        if problem:
            problems.append(f"{name} {problem}, but it is {text!r}")
    if problems:
        raise SettingsError(f"{settings.__name__}: {'; '.join(problems)}")
    return settings(**values)
