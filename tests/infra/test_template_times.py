"""How long things may take: each limit leaves room for the one inside it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from handlers import report_failure
from pipeline.release.custom_resource import RESERVED_SECONDS
from tests.infra import asl
from tests.infra.template import FUNCTION, resource, resources, template

FUNCTIONS = sorted(resources(FUNCTION))
RULES = sorted(resources("AWS::Events::Rule"))
QUEUES = sorted(resources("AWS::SQS::Queue"))
LONGEST_FUNCTION = 900
DAY = 86_400


def _timeout(function: str) -> int:
    """The seconds that a function has."""
    by_default = template()["Globals"]["Function"]["Timeout"]
    return int(resource(function).get("Timeout", by_default))


def _round() -> int:
    """The seconds from one of the watchdog's rounds to the next."""
    rate = re.fullmatch(
        r"rate\((\d+) minutes\)", resource("WatchdogSchedule")["ScheduleExpression"]
    )
    assert rate
    return int(rate[1]) * 60


CALLED = {
    f"{match[1]}Function": state["TimeoutSeconds"]
    for state in asl.every_state(asl.definition()).values()
    if state.get("Resource", "").endswith("lambda:invoke")
    and (match := re.fullmatch(r".*:(\w+)", state["Arguments"]["FunctionName"]))
}


@pytest.mark.parametrize("function", CALLED)
def test_a_function_ends_before_the_state_that_waits_for_it(function: str) -> None:
    """Otherwise the state tries again while the first try still works."""
    assert _timeout(function) < CALLED[function]


@pytest.mark.parametrize("function", ["PinInputsFunction", "PublishResultsFunction"])
def test_a_function_that_waits_for_s3_or_athena_has_all_the_time_there_is(function: str) -> None:
    assert _timeout(function) == LONGEST_FUNCTION


def test_the_report_of_a_failure_can_wait_for_the_logs_that_it_quotes() -> None:
    """EMR stores them every five minutes; with less time the mail would go out without them."""
    needed = report_failure._PATIENCE_SECONDS + report_failure._RESERVED_SECONDS
    assert _timeout("ReportFailureFunction") > needed


def test_an_upload_has_time_for_its_file() -> None:
    """Its head is read and its lines are checked, and a mail may have to wait for another's."""
    assert 60 <= _timeout("ReceiveUploadFunction") <= LONGEST_FUNCTION


def test_cloudformation_waits_longer_than_the_scripts_take() -> None:
    """And not for its hour, if the function should never answer."""
    function = _timeout("InstallScriptsFunction")
    waits = resource("SparkScripts")["ServiceTimeout"]
    assert RESERVED_SECONDS * 2 < function < waits <= 600


def test_the_watchdog_looks_every_few_minutes() -> None:
    """A cluster that has leaked costs money until the next round, and no round meets another."""
    assert _timeout("WatchdogFunction") < _round() <= 15 * 60


@pytest.mark.parametrize("name", ["ReceiveUploadFunction", "WatchdogFunction"])
def test_what_a_function_fails_at_is_tried_three_times(name: str) -> None:
    """Their queues and alarms say so to people."""
    assert resource(name)["EventInvokeConfig"]["MaximumRetryAttempts"] == 2


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_on(rule: str) -> None:
    assert resource(rule).get("State", "ENABLED") == "ENABLED"


@pytest.mark.parametrize("rule", RULES)
def test_an_event_is_tried_for_a_day_and_then_kept(rule: str) -> None:
    """As often as EventBridge would by itself: 185 times, the most there is."""
    target: dict[str, Any]
    (target,) = resource(rule)["Targets"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": DAY, "MaximumRetryAttempts": 185}


@pytest.mark.parametrize("queue", QUEUES)
def test_a_dead_letter_outlives_a_holiday(queue: str) -> None:
    assert resource(queue)["MessageRetentionPeriod"] == 14 * DAY
