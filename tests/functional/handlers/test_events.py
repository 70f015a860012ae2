"""The typed events of the functions that the state machine calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from handlers.events import (
    CheckRunEvent,
    PinInputsEvent,
    PublishResultsEvent,
    ReportFailureEvent,
)
from pipeline.errors import InvalidEventError
from pipeline.ledger.batch import FileVersion
from tests.support.events import load_event

Event = dict[str, Any]
EVENTS: dict[str, Callable[[Any], object]] = {
    "pin_inputs": PinInputsEvent.from_event,
    "check_run": CheckRunEvent.from_event,
    "publish_results": PublishResultsEvent.from_event,
    "report_failure": ReportFailureEvent.from_event,
}


def test_pin_inputs_event_has_the_file_versions() -> None:
    event = load_event("pin_inputs")
    request = PinInputsEvent.from_event(event)
    assert (request.run_id, request.batch) == (event["run_id"], event["batch"])
    assert [file.to_dict() for file in request.files] == event["files"]


def test_publish_results_event_has_the_input_of_the_execution() -> None:
    event = load_event("publish_results")
    event["files"][0]["warnings"] = ["a warning"]
    request = PublishResultsEvent.from_event(event)
    assert request.run.files[0].warnings == ("a warning",)
    assert json.loads(request.run.execution_input) == {
        name: event[name] for name in ("batch", "claimed_at", "files")
    }


@pytest.mark.parametrize(
    ("name", "event_class"),
    [("publish_results", PublishResultsEvent), ("report_failure", ReportFailureEvent)],
)
def test_run_is_published_unless_its_input_says_otherwise(
    name: str, event_class: type[PublishResultsEvent | ReportFailureEvent]
) -> None:
    """Executions that started before an update of the stack do not send the field."""
    event = load_event(name)
    event.pop("publish", None)
    assert event_class.from_event(event).publish is True
    assert event_class.from_event(event | {"publish": False}).publish is False
    with pytest.raises(InvalidEventError, match="the field 'publish' must be of type bool"):
        event_class.from_event(event | {"publish": "false"})


@pytest.mark.parametrize("size", [7, 7.0])
def test_size_is_an_integer(size: float) -> None:
    """JSON does not distinguish 7 from 7.0."""
    event = load_event("pin_inputs")
    event["files"][0]["size"] = size
    assert repr(PinInputsEvent.from_event(event).files[0].size) == "7"


@pytest.mark.parametrize("name", ["report_failure", "report_failure_before_cluster"])
def test_report_failure_event_accepts_missing_details(name: str) -> None:
    event = load_event(name) | {"run_id": "any text", "failure": {"state": None}}
    request = ReportFailureEvent.from_event(event)
    assert request.run_id == "any text"
    assert request.cluster_id == event.get("cluster_id")
    assert (request.failure.state, request.failure.error, request.failure.cause) == ("", "", "")


REQUIRED_FIELDS = [
    *(("pin_inputs", field) for field in ("run_id", "batch", "files")),
    *(("check_run", field) for field in ("run_id", "batch")),
    *(
        ("publish_results", field)
        for field in ("run_id", "batch", "claimed_at", "files", "personal_data")
    ),
    *(("report_failure", field) for field in ("run_id", "failure")),
]


@pytest.mark.parametrize(("name", "field"), REQUIRED_FIELDS)
def test_missing_field_is_named(name: str, field: str) -> None:
    event = load_event(name)
    del event[field]
    with pytest.raises(InvalidEventError) as raised:
        EVENTS[name](event)
    assert str(raised.value) == f"the field '{field}' is missing"


@pytest.mark.parametrize(("name", "field"), REQUIRED_FIELDS)
def test_field_of_another_type_is_named(name: str, field: str) -> None:
    with pytest.raises(
        InvalidEventError, match=f"the field '{field}' must be of type .*but it is 1"
    ):
        EVENTS[name](load_event(name) | {field: 1})


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("event", [None, [], "text"])
def test_event_must_be_an_object(name: str, event: object) -> None:
    with pytest.raises(InvalidEventError, match="the event must be an object"):
        EVENTS[name](event)


@pytest.mark.parametrize("name", ["pin_inputs", "check_run", "publish_results"])
def test_invalid_run_id_is_named(name: str) -> None:
    with pytest.raises(
        InvalidEventError, match=r"the field 'run_id' must be a valid run ID, but it is '\.\./x'"
    ):
        EVENTS[name](load_event(name) | {"run_id": "../x"})


EXPECTED = "the field 'files' must contain one file for each of users, vehicles, locations, rentals"
INVALID_FILES: tuple[tuple[Callable[[list[dict[str, Any]]], object], str], ...] = (
    (lambda files: files.pop(), f"{EXPECTED}, but it contains locations, users, vehicles"),
    (lambda files: files.clear(), f"{EXPECTED}, but it contains none"),
    (
        lambda files: files.append(files[0]),
        f"{EXPECTED}, but it contains locations, rentals, users, users, vehicles",
    ),
    (
        lambda files: files[0].update(dataset="drivers"),
        f"{EXPECTED}, but it contains drivers, locations, rentals, vehicles",
    ),
    (lambda files: files[0].pop("version_id"), "the field 'files[0].version_id' is missing"),
    (
        lambda files: files[1].update(key=""),
        "the field 'files[1].key' must not be empty, but it is ''",
    ),
    (
        lambda files: files[2].update(size="10"),
        "the field 'files[2].size' must be of type int, but it is '10'",
    ),
    (
        lambda files: files[2].update(size=-1),
        "the field 'files[2].size' must not be negative, but it is -1",
    ),
    (lambda files: files.append("x"), "files[4] must be an object, but it is 'x'"),  # type: ignore[arg-type]
)


@pytest.mark.parametrize("name", ["pin_inputs", "publish_results"])
@pytest.mark.parametrize(("change", "message"), INVALID_FILES)
def test_invalid_files_are_named(
    name: str, change: Callable[[list[dict[str, Any]]], object], message: str
) -> None:
    event = load_event(name)
    change(event["files"])
    with pytest.raises(InvalidEventError) as raised:
        EVENTS[name](event)
    assert str(raised.value) == message


def test_file_version_needs_no_warnings() -> None:
    assert FileVersion("users", "raw/users.csv", "v1", 1).to_dict()["warnings"] == []
