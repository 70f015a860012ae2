"""What those who watch a function read of it when it fails."""

from __future__ import annotations

import io
import json
from importlib import import_module

import pytest

from pipeline.errors import SettingsError
from tests.functional.conftest import Context
from tests.support.events import load_event


@pytest.mark.parametrize(
    ("function", "event", "keys"),
    [
        ("receive_upload", "upload_users", {"batch": "raw/2026-11/"}),
        ("pin_inputs", "pin_inputs", {"batch": "raw/2026-11/", "run": ...}),
        ("check_run", "check_run", {"batch": "raw/2026-11/", "run": ...}),
        ("publish_results", "publish_results", {"batch": "raw/2026-11/", "run": ...}),
        ("report_failure", "report_failure", {"batch": "raw/2026-11/", "run": ...}),
        ("watchdog", "schedule", {}),
    ],
)
def test_a_failure_is_logged_with_run_and_batch(
    monkeypatch: pytest.MonkeyPatch, function: str, event: str, keys: dict[str, object]
) -> None:
    """Nothing of the environment is set, which every function asks for."""
    module = import_module(f"handlers.{function}")
    written = io.StringIO()
    monkeypatch.setattr(module.logger.registered_handler, "stream", written)
    told = load_event(event)
    with pytest.raises(SettingsError):
        module.handler(told, Context())
    (line,) = [json.loads(line) for line in written.getvalue().splitlines()]
    assert (line["level"], line["exception_name"]) == ("ERROR", "SettingsError")
    assert "Traceback" in line["exception"]
    assert {name: line[name] for name in keys} == {
        name: told["run_id"] if value is ... else value for name, value in keys.items()
    }
