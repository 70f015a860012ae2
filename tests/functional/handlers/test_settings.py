"""The settings of the functions."""

from __future__ import annotations

import pytest

from handlers.settings import CheckRunSettings, WatchdogSettings, load_settings
from pipeline.errors import SettingsError

VALID = {
    "BUCKET": "bucket",
    "MAX_REJECTED_PERCENT": "5",
    "LEDGER_TABLE": "table",
    "LEDGER_RETENTION_DAYS": "90",
    "TOPIC_ARN": "topic",
    "STATE_MACHINE_ARN": "machine",
    "STACK": "stack",
    "INCOMPLETE_BATCH_HOURS": "24",
    "MAX_CONCURRENT_RUNS": "4",
    "MAX_UPLOAD_SPREAD_HOURS": "24",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VALID.items():
        monkeypatch.setenv(name, value)


def test_fields_are_the_variables() -> None:
    assert load_settings(CheckRunSettings) == CheckRunSettings("stack", "bucket", 5.0)


@pytest.mark.parametrize("percent", ["0", "100", "7.5"])
def test_percent_includes_its_limits(monkeypatch: pytest.MonkeyPatch, percent: str) -> None:
    monkeypatch.setenv("MAX_REJECTED_PERCENT", percent)
    assert load_settings(CheckRunSettings).max_rejected_percent == float(percent)


@pytest.mark.parametrize(
    ("settings", "variable", "value", "problem"),
    [
        (CheckRunSettings, "BUCKET", "", "must not be empty"),
        (CheckRunSettings, "BUCKET", " ", "must not be empty"),
        (CheckRunSettings, "MAX_REJECTED_PERCENT", "-0.1", "must be between 0 and 100"),
        (CheckRunSettings, "MAX_REJECTED_PERCENT", "101", "must be between 0 and 100"),
        (CheckRunSettings, "MAX_REJECTED_PERCENT", "nan", "must be between 0 and 100"),
        (CheckRunSettings, "MAX_REJECTED_PERCENT", "many", "must be of type float"),
        (WatchdogSettings, "INCOMPLETE_BATCH_HOURS", "0", "must be a positive number"),
        (WatchdogSettings, "INCOMPLETE_BATCH_HOURS", "inf", "must be a positive number"),
        (WatchdogSettings, "MAX_CONCURRENT_RUNS", "0", "must be a positive number"),
        (WatchdogSettings, "LEDGER_RETENTION_DAYS", "-1", "must be a positive number"),
        (WatchdogSettings, "LEDGER_RETENTION_DAYS", "1.5", "must be of type int"),
        (WatchdogSettings, "LEDGER_RETENTION_DAYS", "", "must be of type int"),
    ],
)
def test_invalid_value_is_named(
    monkeypatch: pytest.MonkeyPatch, settings: type, variable: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as raised:
        load_settings(settings)
    assert str(raised.value) == f"{settings.__name__}: {variable} {problem}, but it is {value!r}"


def test_every_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUCKET")
    monkeypatch.delenv("MAX_REJECTED_PERCENT")
    with pytest.raises(SettingsError) as raised:
        load_settings(CheckRunSettings)
    expected = "CheckRunSettings: BUCKET is not set; MAX_REJECTED_PERCENT is not set"
    assert str(raised.value) == expected


def test_every_invalid_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCKET", "")
    monkeypatch.setenv("MAX_REJECTED_PERCENT", "101")
    with pytest.raises(SettingsError, match=r"BUCKET must not be empty.*; MAX_REJECTED_PERCENT"):
        load_settings(CheckRunSettings)
