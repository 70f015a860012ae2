"""The responses of a custom resource: CloudFormation receives the result in any case."""

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
from tests.support.cloudformation import CloudFormation

CREATE, UPDATE, DELETE = (f"install_scripts_{kind}" for kind in ("create", "update", "delete"))


@pytest.fixture
def cloudformation(cloud: Cloud) -> Iterator[CloudFormation]:  # noqa: ARG001
    with CloudFormation(handler) as listening:
        yield listening


def test_a_call_that_does_not_come_back_is_told_in_time(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def hang(*_: Any) -> None:
        go_on.wait(30)

    with monkeypatch.context() as patch:
        watch_calls(patch, hang)
        context = Context(remaining_ms=int(RESERVED_SECONDS * 1000) + 200)
        try:
            answer = cloudformation.ask(CREATE, context)
        finally:
            go_on.set()
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("TimeoutError: the function's time ran out")


def test_a_long_reason_fits_into_an_answer(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> dict[str, bytes]:
        raise ValueError("🚲" * 5000)

    monkeypatch.setattr(spark_scripts, "release_files", fail)
    answer = cloudformation.ask(CREATE)  # the server looks at the size
    assert answer["Reason"].startswith("ValueError: 🚲")


@pytest.mark.parametrize("status", [500, 503])
def test_telling_is_tried_again(cloudformation: CloudFormation, status: int) -> None:
    cloudformation.refusals = [status, status]
    assert cloudformation.ask(CREATE)["Status"] == "SUCCESS"
    assert cloudformation.asked == 3


@pytest.mark.parametrize(
    ("refusals", "asked", "words"),
    [([500] * 3, 3, "HTTPError 500"), ([403], 1, "HTTPError 403")],
)
def test_what_cannot_be_told_fails_so_that_lambda_repeats_it(
    cloudformation: CloudFormation, refusals: list[int], asked: int, words: str
) -> None:
    cloudformation.refusals = refusals
    with pytest.raises(ResponseDeliveryError) as raised:
        cloudformation.ask(CREATE)
    assert str(raised.value) == f"CloudFormation was not told SUCCESS: {words}"
    assert cloudformation.asked == asked
    assert cloudformation.ask(CREATE)["Status"] == "SUCCESS"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/x?secret", "http://127.0.0.1:9/a space?secret", "no-scheme?secret"],
)
def test_an_address_that_leads_nowhere(
    cloudformation: CloudFormation, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ResponseDeliveryError) as raised:
        cloudformation.ask(CREATE, ResponseURL=url)
    assert "secret" not in str(raised.value)
    assert "secret" not in caplog.text


@pytest.mark.parametrize("name", [CREATE, UPDATE, DELETE])
@pytest.mark.parametrize("refusals", [[], [500, 500]])
def test_the_signed_address_is_never_logged(
    cloudformation: CloudFormation,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    name: str,
    refusals: list[int],
) -> None:
    caplog.set_level(logging.DEBUG)
    cloudformation.refusals = refusals
    cloudformation.ask(name)
    written = capsys.readouterr()
    for text in (caplog.text, written.out, written.err):
        assert "secret" not in text
        assert "/answer" not in text


def test_the_time_kept_for_telling_is_enough() -> None:
    tries, seconds = custom_resource._TRIES, custom_resource._TRY_SECONDS
    assert tries * 2 * seconds + tries - 1 <= RESERVED_SECONDS
