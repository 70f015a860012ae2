"""The settings of each function: one class per function, one field per environment variable."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import timedelta
from typing import Any, TypeVar

import typed_settings

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

    start_function: str = _setting(_check_text)


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
    variables = {setting.name.upper(): setting for setting in fields(settings)}  # type: ignore[arg-type]
    if missing := [name for name in variables if name not in os.environ]:
        raise _create_error(settings, [f"{name} is not set" for name in missing])
    try:
        loaded = typed_settings.load_settings(settings, [typed_settings.EnvLoader(prefix="")])
    except typed_settings.exceptions.InvalidSettingsError as error:
        problems = _list_type_problems(variables, error)
        raise _create_error(settings, problems or [str(error)]) from error
    problems = [
        f"{name} {problem}, but it is {os.environ[name]!r}"
        for name, setting in variables.items()
        if (problem := setting.metadata["check"](getattr(loaded, setting.name)))
    ]
    if problems:
        raise _create_error(settings, problems)
    return loaded


def _list_type_problems(variables: Mapping[str, Field[Any]], error: Exception) -> list[str]:
    """Return the problem of each variable that `typed_settings` could not convert."""
    messages = "".join(map(str, getattr(error, "exceptions", [error])))
    return [
        # `typed_settings` replaces the annotations, which are strings, with the types.
        f"{name} must be of type {getattr(setting.type, '__name__', setting.type)},"
        f" but it is {os.environ[name]!r}"
        for name, setting in variables.items()
        if f"option {setting.name!r}" in messages
    ]


def _create_error(settings: type[Any], problems: list[str]) -> SettingsError:
    return SettingsError(f"{settings.__name__}: {'; '.join(problems)}")
