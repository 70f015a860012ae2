"""The event patterns of the rules match the expected events and no others.

The patterns come from the template, and the matcher comes from the EventBridge of moto.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern

from contract.datasets import DATASETS, USERS
from contract.kpi_tables import KPI_TABLES
from contract.layout import (
    KPI_JOB,
    RAW_PREFIX,
    TRANSFORMATION_JOB,
    curated_prefix,
    job_report_key,
    kpi_prefix,
    pinned_key,
    publication_key,
    quarantine_prefix,
    run_report_key,
    scripts_prefix,
)
from handlers import watchdog
from tests.infra.support.template import PROJECT, resource

BUCKET = "rental-data"  # as in events/*.json
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:rental-kpi-pipeline"
RUN = "2026-11-0123456789abcdef0123"

EVENTS = {path.stem: path for path in sorted((PROJECT / "events").glob("*.json"))}
UPLOADS = [name for name in EVENTS if name.startswith("upload_")]
STATUS_CHANGES = [name for name in EVENTS if name.startswith("status_")]

OWN_WRITES = [
    *(pinned_key(dataset, RUN) for dataset in DATASETS),
    *(f"{curated_prefix(dataset, RUN)}/part-0.parquet" for dataset in DATASETS),
    *(f"{quarantine_prefix(dataset, RUN)}/part-0.parquet" for dataset in DATASETS),
    *(f"{kpi_prefix(table, RUN)}/part-0.parquet" for table in KPI_TABLES),
    job_report_key(TRANSFORMATION_JOB, RUN),
    job_report_key(KPI_JOB, RUN),
    publication_key("2026-11-23T19:00:31.123456Z", RUN),
    "athena_results/0d0f7c1e.csv",
    run_report_key(RUN, "email.txt"),
    f"{scripts_prefix('0123abcd')}/jobs.zip",
    "logs/emr/j-1/steps/s-1/stderr.gz",
]


def _event(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(EVENTS[name].read_text(encoding="utf-8"))
    return event


def _matches(rule: str, event: Any) -> bool:
    names = {"DataBucket": BUCKET, "Pipeline": MACHINE}
    pattern = json.dumps(_resolve(resource(rule)["EventPattern"], names))
    return EventPattern.load(pattern).matches_event(event)


def _resolve(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, dict):
        if node.keys() == {"Ref"}:
            return names[node["Ref"]]
        return {key: _resolve(value, names) for key, value in node.items()}
    return [_resolve(item, names) for item in node] if isinstance(node, list) else node


def _upload(key: str, bucket: str = BUCKET) -> dict[str, Any]:
    event = copy.deepcopy(_event("upload_users"))
    event["detail"]["object"]["key"] = key
    event["detail"]["bucket"]["name"] = bucket
    return event


def test_example_events_exist() -> None:
    assert UPLOADS
    assert STATUS_CHANGES
    assert all(isinstance(path, Path) for path in EVENTS.values())


@pytest.mark.parametrize("name", UPLOADS)
def test_upload_event_invokes_receive_upload(name: str) -> None:
    assert _matches("UploadRule", _event(name))


@pytest.mark.parametrize(
    "key", [f"{RAW_PREFIX}users.csv", f"{RAW_PREFIX}2026-11/users.csv", f"{RAW_PREFIX}a b+ü.txt"]
)
def test_any_key_below_raw_invokes_receive_upload(key: str) -> None:
    assert _matches("UploadRule", _upload(key))


@pytest.mark.parametrize("key", OWN_WRITES)
def test_objects_written_by_the_pipeline_invoke_nothing(key: str) -> None:
    assert not _matches("UploadRule", _upload(key))


def test_other_buckets_and_other_events_invoke_nothing() -> None:
    key = f"{RAW_PREFIX}{USERS.file}"
    assert not _matches("UploadRule", _upload(key, bucket="another"))
    assert not _matches("UploadRule", _upload(key) | {"detail-type": "Object Deleted"})


@pytest.mark.parametrize("name", STATUS_CHANGES)
def test_end_of_execution_invokes_the_watchdog(name: str) -> None:
    event = _event(name)
    event["detail"]["stateMachineArn"] = MACHINE
    assert _matches("ExecutionEndedRule", event)


def test_example_events_have_every_final_status() -> None:
    """The statuses of DescribeExecution, except RUNNING and PENDING_REDRIVE."""
    statuses = {_event(name)["detail"]["status"] for name in STATUS_CHANGES}
    assert statuses == {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
def test_execution_that_has_not_ended_does_not_invoke_the_watchdog(status: str) -> None:
    event = _event(STATUS_CHANGES[0])
    event["detail"] |= {"stateMachineArn": MACHINE, "status": status}
    assert not _matches("ExecutionEndedRule", event)


def test_watchdog_recognizes_the_event_of_the_hourly_schedule() -> None:
    """The rule sends this text instead of a scheduled event. Otherwise, it would be a sweep."""
    (target,) = resource("LostUploadSchedule")["Targets"]
    assert json.loads(target["Input"]) == {"detail-type": watchdog.FIND_LOST_UPLOADS}
    assert json.loads(target["Input"]) == _event("find_lost_uploads")


def test_other_state_machines_do_not_invoke_the_watchdog() -> None:
    event = _event(STATUS_CHANGES[0])
    event["detail"]["stateMachineArn"] = f"{MACHINE}-other"
    assert not _matches("ExecutionEndedRule", event)
