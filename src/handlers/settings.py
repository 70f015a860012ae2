"""What each function is told by its environment: one class a function, one field a variable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import typed_settings

from pipeline.errors import SettingsError

T = TypeVar("T")


@dataclass(frozen=True)
class ReceiveUploadSettings:
    bucket: str
    ledger_table: str
    topic_arn: str
    state_machine_arn: str


@dataclass(frozen=True)
class PinInputsSettings:
    bucket: str


@dataclass(frozen=True)
class CheckRunSettings:
    bucket: str
    max_rejected_percent: float


@dataclass(frozen=True)
class PublishResultsSettings:
    bucket: str
    ledger_table: str
    topic_arn: str
    database: str
    workgroup: str


@dataclass(frozen=True)
class ReportFailureSettings:
    bucket: str
    ledger_table: str
    topic_arn: str
    state_machine_arn: str


@dataclass(frozen=True)
class WatchdogSettings:
    bucket: str
    ledger_table: str
    topic_arn: str
    state_machine_arn: str
    stack: str
    incomplete_batch_hours: float


@dataclass(frozen=True)
class InstallScriptsSettings:
    bucket: str


def load_settings(settings: type[T]) -> T:
    """The settings from the environment: field `bucket` from `BUCKET`.

    SettingsError names every variable that is missing or unusable.
    """
    try:
        return typed_settings.load_settings(settings, [typed_settings.EnvLoader(prefix="")])
    except typed_settings.exceptions.InvalidSettingsError as error:
        problems = "; ".join(str(problem) for problem in getattr(error, "exceptions", [error]))
        raise SettingsError(f"{settings.__name__}: {problems}") from error
