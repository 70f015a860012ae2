"""The log line and the error of a function that fails."""

from __future__ import annotations

import io
import json
from importlib import import_module
from typing import Any

import pytest
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyPersistenceLayerError,
)
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from contract.text import has_control_characters
from handlers.observability import create_observers
from pipeline.aws.clients import is_temporary
from pipeline.errors import PipelineError, RetryableError, SettingsError
from tests.functional.conftest import STACK, Context
from tests.support.aws_calls import create_error
from tests.support.events import load_event


@pytest.mark.parametrize(
    ("function", "event", "keys"),
    [
        ("receive_upload", "upload_users", {"batch": "raw/2026-11/"}),
        ("pin_inputs", "pin_inputs", {"batch": "raw/2026-11/", "run_id": ...}),
        ("check_run", "check_run", {"batch": "raw/2026-11/", "run_id": ...}),
        ("publish_results", "publish_results", {"batch": "raw/2026-11/", "run_id": ...}),
        ("report_failure", "report_failure", {"batch": "raw/2026-11/", "run_id": ...}),
        ("watchdog", "schedule", {}),
    ],
)
def test_failure_is_logged_with_run_and_batch(
    monkeypatch: pytest.MonkeyPatch, function: str, event: str, keys: dict[str, object]
) -> None:
    """Each function fails because no environment variable is set."""
    module = import_module(f"handlers.{function}")
    output = io.StringIO()
    monkeypatch.setattr(module.logger.registered_handler, "stream", output)
    content = load_event(event)
    with pytest.raises(SettingsError):
        module.handler(content, Context())
    (line,) = [json.loads(line) for line in output.getvalue().splitlines()]
    assert (line["level"], line["exception_name"]) == ("ERROR", "SettingsError")
    assert "Traceback" in line["exception"]
    assert {name: line[name] for name in keys} == {
        name: content["run_id"] if value is ... else value for name, value in keys.items()
    }


def test_log_line_escapes_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    text = "raw/Zoë \n\x00\x1b[31m\x7f\x9b\u2028\u202e/users.csv"
    logger, _ = create_observers("test_log_line")
    logger.warning("Ignored %s", text, extra={"object_key": text})
    line = capsys.readouterr().out.removesuffix("\n")
    assert not has_control_characters(line)
    assert "Zoë" in line
    content = json.loads(line)
    assert (content["message"], content["object_key"]) == (f"Ignored {text}", text)


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    ("function", "event"),
    [
        ("receive_upload", "upload_users"),
        ("pin_inputs", "pin_inputs"),
        ("check_run", "check_run"),
        ("publish_results", "publish_results"),
        ("report_failure", "report_failure"),
        ("watchdog", "schedule"),
        ("install_scripts", "install_scripts_create"),
    ],
)
def test_metrics_name_the_stack(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    function: str,
    event: str,
) -> None:
    """Stacks in one account and region have the same metrics, apart from this dimension."""
    module = import_module(f"handlers.{function}")
    module.metrics.clear_default_dimensions()
    module.metrics.clear_metrics()

    def call(*_: Any, **__: Any) -> None:
        raise create_error("Any", "AccessDenied", 403)

    # The function fails at its first call, and emits the metrics that it has.
    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    monkeypatch.setattr("urllib.request.urlopen", call)
    with pytest.raises((ClientError, PipelineError, IdempotencyPersistenceLayerError)):
        module.handler(load_event(event), Context())
    capsys.readouterr()
    module.metrics.add_metric("Test", MetricUnit.Count, 1)
    module.metrics.flush_metrics()
    (line,) = capsys.readouterr().out.splitlines()
    metrics = json.loads(line)
    assert (metrics["stack"], metrics["service"]) == (STACK, function)
    (definition,) = metrics["_aws"]["CloudWatchMetrics"]
    assert sorted(definition["Dimensions"][0]) == ["service", "stack"]


TEMPORARY_ERRORS = [
    create_error("Any", "SlowDown", 503),
    create_error("Any", "InternalError", 500),
    create_error("Any", "ThrottlingException"),
    create_error("Any", "ProvisionedThroughputExceededException"),
    create_error("Any", "Throttled", 429),
    ReadTimeoutError(endpoint_url="https://x"),
    EndpointConnectionError(endpoint_url="https://x"),
]


@pytest.mark.parametrize("error", TEMPORARY_ERRORS, ids=str)
@pytest.mark.parametrize(
    "function", ["pin_inputs", "check_run", "publish_results", "report_failure"]
)
@pytest.mark.usefixtures("cloud")
def test_temporary_error_is_raised_as_retryable_error(
    monkeypatch: pytest.MonkeyPatch, function: str, error: Exception
) -> None:
    def call(*_: Any) -> None:
        raise error

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    with pytest.raises(RetryableError):
        import_module(f"handlers.{function}").handler(load_event(function), Context())


@pytest.mark.parametrize(
    "error",
    [create_error("Any", "AccessDenied", 403), create_error("Any", "NoSuchKey", 404), ValueError()],
)
def test_permanent_error_is_not_temporary(error: Exception) -> None:
    assert not is_temporary(error)
