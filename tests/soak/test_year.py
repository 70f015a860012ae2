"""A year of daily batches on compressed time, with the retention periods of the template."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random
from time import monotonic
from typing import Any

import pytest

from tests.infra.support.template import resource, resources, template
from tests.soak.conftest import RecordFigures
from tests.support.memory.retention import LifecycleRule
from tests.support.memory.year import Deployment, Year
from tests.support.pipeline_clock import PipelineClock

DAYS = 365
START = "2026-01-01T00:00:00+00:00"
# DynamoDB accepts items of up to 400 KB.
MAX_ITEM_BYTES = 100_000
# Each day has a batch, a run, and a notification; corrections and problems add some more.
MAX_ITEMS_A_DAY = 5


def get_deployment(*, keeps_files_longest: bool) -> Deployment:
    """Return what the template configures.

    Args:
        keeps_files_longest: Whether the bucket keeps files, and a batch waits for files, as long as
            the template allows. Otherwise, all parameters have their defaults.
    """
    definitions = template()["Parameters"]
    parameters = {
        name: definition["Default"]
        for name, definition in definitions.items()
        if isinstance(definition.get("Default"), int)
    }
    if keeps_files_longest:
        for name in ("InputRetentionDays", "MaxUploadSpreadHours"):
            parameters[name] = definitions[name]["MaxValue"]
    rules = resource("DataBucket")["LifecycleConfiguration"]["Rules"]
    schedules = resources("AWS::Events::Rule")
    return Deployment(
        parameters,
        [
            LifecycleRule(
                rule["Prefix"],
                resolve(rule["ExpirationInDays"], parameters),
                resolve(rule["NoncurrentVersionExpiration"]["NoncurrentDays"], parameters),
            )
            for rule in rules
            if "ExpirationInDays" in rule
        ],
        sweep_interval=get_interval(schedules["WatchdogSchedule"]),
        search_interval=get_interval(schedules["LostUploadSchedule"]),
    )


def resolve(value: Any, parameters: Mapping[str, int]) -> int:
    """Return a number of the template, which can be a reference to a parameter."""
    return parameters[value["Ref"]] if isinstance(value, dict) else int(value)


def get_interval(rule: Mapping[str, Any]) -> timedelta:
    """Return the interval of a scheduled rule."""
    match = re.fullmatch(r"rate\((\d+) (minute|hour)s?\)", rule["ScheduleExpression"])
    assert match
    return timedelta(**{f"{match[2]}s": int(match[1])})


def get_days_until_all_has_expired(deployment: Deployment) -> int:
    """Return how long something of the last batch remains in the bucket or in the ledger.

    An upload becomes noncurrent, then it is deleted. The item of its batch is closed at the latest
    when it becomes noncurrent.
    """
    parameters = deployment.parameters
    retention = max(parameters["InputRetentionDays"], parameters["LedgerRetentionDays"])
    return parameters["InputRetentionDays"] + retention + 10


@pytest.mark.parametrize("keeps_files_longest", [False, True])
@pytest.mark.parametrize("has_own_folders", [True, False])
def test_year_of_daily_batches(
    seed: int,
    scaled: Callable[[int], int],
    record_figures: RecordFigures,
    monkeypatch: pytest.MonkeyPatch,
    *,
    has_own_folders: bool,
    keeps_files_longest: bool,
) -> None:
    begin = monotonic()
    deployment = get_deployment(keeps_files_longest=keeps_files_longest)
    clock = PipelineClock.install(monkeypatch, START)
    year = Year(clock, deployment, Random(seed), has_own_folders=has_own_folders)
    year.run(scaled(DAYS))
    if not keeps_files_longest:
        year.run(get_days_until_all_has_expired(deployment), with_batches=False)
        assert set(year.table.items) <= {"run_slots"}
        assert year.aws.s3.objects == {}

    runs = [batch.run_id for batch in year.batches if batch.run_id]
    emails = Counter(key for key, _ in year.emails.sent)
    folders = "own folders" if has_own_folders else "one folder"
    files = "kept longest" if keeps_files_longest else "default retention"
    record_figures(
        f"year ({folders}, {files})",
        {
            "days": scaled(DAYS),
            "batches": sum(len(batch.versions) == 4 for batch in year.batches),
            "runs": len(year.state_machine.started),
            "emails": len(year.emails.sent),
            **year.counts,
            **year.state_machine.counts,
            **{f"maximum {name}": value for name, value in sorted(year.peaks.items())},
            "ledger items at the end": len(year.table.items),
            "violations": len(year.violations),
            "seconds": round(monotonic() - begin),
        },
    )
    assert year.violations == []
    assert Counter(year.state_machine.started) == Counter(runs)
    assert [key for key, count in emails.items() if count > 1] == []
    assert year.state_machine.max_running <= deployment.parameters["MaxConcurrentRuns"]
    days_in_ledger = deployment.parameters["LedgerRetentionDays"] + 1
    assert year.peaks["ledger items"] <= MAX_ITEMS_A_DAY * days_in_ledger
    assert year.peaks["bytes of the largest ledger item"] <= MAX_ITEM_BYTES
    daily = [batch.run_id for batch in year.batches if batch.day is not None and batch.is_prompt]
    assert [run_id for run_id in year.state_machine.started if run_id in daily] == daily
