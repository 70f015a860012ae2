"""The responses of a custom resource: CloudFormation always receives one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from handlers.install_scripts import handler
from pipeline.release import custom_resource, spark_scripts
from pipeline.release.custom_resource import RESERVED_SECONDS, ResponseDeliveryError
from tests.functional.conftest import Cloud, Context
from tests.support.aws_calls import watch_calls
from tests.support.cloudformation import FakeCloudFormation

CREATE, UPDATE, DELETE = (
    f"install_scripts_{request}" for request in ("create", "update", "delete")
)


@pytest.fixture
def cloudformation(cloud: Cloud) -> Iterator[FakeCloudFormation]:  # noqa: ARG001
    with FakeCloudFormation(handler) as fake:
        yield fake


def test_call_that_does_not_return_is_reported_before_timeout(
    cloudformation: FakeCloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def hang(*_: Any) -> None:
        release.wait(30)

    with monkeypatch.context() as patch:
        watch_calls(patch, hang)
        context = Context(remaining_ms=int(RESERVED_SECONDS * 1000) + 200)
        try:
            response = cloudformation.send_request(CREATE, context)
        finally:
            release.set()
    assert response["Status"] == "FAILED"
    assert response["Reason"].startswith("TimeoutError: the function timed out")


def test_long_reason_is_truncated_to_size_limit(
    cloudformation: FakeCloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> dict[str, bytes]:
        raise ValueError("🚲" * 5000)

    monkeypatch.setattr(spark_scripts, "read_release_files", fail)
    response = cloudformation.send_request(CREATE)  # the server checks the size
    assert response["Reason"].startswith("ValueError: 🚲")


@pytest.mark.parametrize("status", [500, 503])
def test_response_is_retried_after_server_error(
    cloudformation: FakeCloudFormation, status: int
) -> None:
    cloudformation.error_statuses = [status, status]
    assert cloudformation.send_request(CREATE)["Status"] == "SUCCESS"
    assert cloudformation.attempts == 3


@pytest.mark.parametrize(
    ("error_statuses", "attempts", "message"),
    [([500] * 3, 3, "HTTPError 500"), ([403], 1, "HTTPError 403")],
)
def test_undelivered_response_fails_so_that_lambda_repeats_request(
    cloudformation: FakeCloudFormation, error_statuses: list[int], attempts: int, message: str
) -> None:
    cloudformation.error_statuses = error_statuses
    with pytest.raises(ResponseDeliveryError) as raised:
        cloudformation.send_request(CREATE)
    assert str(raised.value) == (
        f"the status SUCCESS could not be sent to CloudFormation: {message}"
    )
    assert cloudformation.attempts == attempts
    assert cloudformation.send_request(CREATE)["Status"] == "SUCCESS"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/x?secret", "http://127.0.0.1:9/a space?secret", "no-scheme?secret"],
)
def test_unreachable_url_is_not_in_error_or_log(
    cloudformation: FakeCloudFormation, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ResponseDeliveryError) as raised:
        cloudformation.send_request(CREATE, ResponseURL=url)
    assert "secret" not in str(raised.value)
    assert "secret" not in caplog.text


@pytest.mark.parametrize("name", [CREATE, UPDATE, DELETE])
@pytest.mark.parametrize("error_statuses", [[], [500, 500]])
def test_signed_url_is_never_logged(
    cloudformation: FakeCloudFormation,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    name: str,
    error_statuses: list[int],
) -> None:
    caplog.set_level(logging.DEBUG)
    cloudformation.error_statuses = error_statuses
    cloudformation.send_request(name)
    output = capsys.readouterr()
    for text in (caplog.text, output.out, output.err):
        assert "secret" not in text
        assert "/response" not in text


def test_reserved_time_is_enough_for_all_attempts() -> None:
    attempts = custom_resource._MAX_ATTEMPTS
    timeout = custom_resource._ATTEMPT_TIMEOUT_SECONDS
    assert attempts * 2 * timeout + attempts - 1 <= RESERVED_SECONDS
