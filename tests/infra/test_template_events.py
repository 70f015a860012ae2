"""The rules' patterns, read from the template, against events that come and that must not.

moto's matcher is the one of its EventBridge.
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
from tests.infra.template import PROJECT, resource

BUCKET = "rental-data"  # of the events
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
    stands_for = {"DataBucket": BUCKET, "Pipeline": MACHINE}
    pattern = json.dumps(_resolved(resource(rule)["EventPattern"], stands_for))
    return EventPattern.load(pattern).matches_event(event)


def _resolved(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, dict):
        if node.keys() == {"Ref"}:
            return names[node["Ref"]]
        return {key: _resolved(value, names) for key, value in node.items()}
    return [_resolved(item, names) for item in node] if isinstance(node, list) else node


def _upload(key: str, bucket: str = BUCKET) -> dict[str, Any]:
    event = copy.deepcopy(_event("upload_users"))
    event["detail"]["object"]["key"] = key
    event["detail"]["bucket"]["name"] = bucket
    return event


def test_the_events_are_there() -> None:
    assert UPLOADS
    assert STATUS_CHANGES
    assert all(isinstance(path, Path) for path in EVENTS.values())


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_comes_to_receive_upload(name: str) -> None:
    assert _matches("UploadRule", _event(name))


@pytest.mark.parametrize(
    "key", [f"{RAW_PREFIX}users.csv", f"{RAW_PREFIX}2026-11/users.csv", f"{RAW_PREFIX}a b+ü.txt"]
)
def test_whatever_is_dropped_comes_to_receive_upload(key: str) -> None:
    assert _matches("UploadRule", _upload(key))


@pytest.mark.parametrize("key", OWN_WRITES)
def test_what_the_pipeline_writes_starts_nothing(key: str) -> None:
    assert not _matches("UploadRule", _upload(key))


def test_other_buckets_and_other_events_start_nothing() -> None:
    key = f"{RAW_PREFIX}{USERS.file}"
    assert not _matches("UploadRule", _upload(key, bucket="another"))
    assert not _matches("UploadRule", _upload(key) | {"detail-type": "Object Deleted"})


@pytest.mark.parametrize("name", STATUS_CHANGES)
def test_a_run_that_ended_without_success_comes_to_the_watchdog(name: str) -> None:
    event = _event(name)
    event["detail"]["stateMachineArn"] = MACHINE
    assert _matches("ExecutionEndedRule", event)


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
def test_a_run_that_goes_well_does_not(status: str) -> None:
    event = _event(STATUS_CHANGES[0])
    event["detail"] |= {"stateMachineArn": MACHINE, "status": status}
    assert not _matches("ExecutionEndedRule", event)


def test_other_state_machines_do_not_come_to_the_watchdog() -> None:
    event = _event(STATUS_CHANGES[0])
    event["detail"]["stateMachineArn"] = f"{MACHINE}-of-others"
    assert not _matches("ExecutionEndedRule", event)
