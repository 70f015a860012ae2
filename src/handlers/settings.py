"""What each function is told by its environment: one class a function, one field a variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import typed_settings

from pipeline.errors import SettingsError

T = TypeVar("T")


@dataclass(frozen=True)
class ReceiveUpload:
    bucket: str
    ledger_table: str
    topic_arn: str
    state_machine_arn: str


@dataclass(frozen=True)
class PinInputs:
    bucket: str


@dataclass(frozen=True)
class CheckRun:
    bucket: str
    quality_limit_percent: float


@dataclass(frozen=True)
class PublishResults:
    bucket: str
    ledger_table: str
    topic_arn: str
    database: str
    workgroup: str


@dataclass(frozen=True)
class ReportFailure:
    bucket: str
    ledger_table: str
    topic_arn: str
    state_machine_arn: str


@dataclass(frozen=True)
class Watchdog:
    bucket: str
    ledger_table: str
    topic_arn: str
    state_machine_arn: str
    stack: str
    incomplete_after_hours: float


@dataclass(frozen=True)
class InstallScripts:
    bucket: str


def load(settings: type[T]) -> T:
    """The settings from the environment: field `bucket` from `BUCKET`.

    SettingsError names every variable that is missing or unusable.
    """
    try:
        return typed_settings.load_settings(settings, [typed_settings.EnvLoader(prefix="")])
    except typed_settings.exceptions.InvalidSettingsError as error:
        problems = "; ".join(str(problem) for problem in getattr(error, "exceptions", [error]))
        raise SettingsError(f"{settings.__name__}: {problems}") from error
