"""Timeouts, schedules, and retries: each timeout exceeds the timeouts within it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from handlers import report_failure
from pipeline.notifications.email_budget import RETENTION
from pipeline.release.custom_resource import RESERVED_SECONDS
from tests.infra.support import asl
from tests.infra.support.template import FUNCTION, resource, resources, template

FUNCTIONS = sorted(resources(FUNCTION))
RULES = sorted(resources("AWS::Events::Rule"))
QUEUES = sorted(resources("AWS::SQS::Queue"))
MAX_LAMBDA_TIMEOUT = 900
DAY = 86_400


def _timeout(function: str) -> int:
    """Return the timeout of a function in seconds."""
    default = template()["Globals"]["Function"]["Timeout"]
    return int(resource(function).get("Timeout", default))


def _sweep_interval() -> int:
    """Return the seconds between two sweeps of the watchdog."""
    rate = re.fullmatch(
        r"rate\((\d+) minutes\)", resource("WatchdogSchedule")["ScheduleExpression"]
    )
    assert rate
    return int(rate[1]) * 60


STATE_TIMEOUTS = {
    f"{match[1]}Function": state["TimeoutSeconds"]
    for state in asl.all_states(asl.load_definition()).values()
    if state.get("Resource", "").endswith("lambda:invoke")
    and (match := re.fullmatch(r".*:(\w+)", state["Arguments"]["FunctionName"]))
}


@pytest.mark.parametrize("function", STATE_TIMEOUTS)
def test_function_times_out_before_its_state(function: str) -> None:
    """Otherwise, the state would retry while the first attempt is still running."""
    assert _timeout(function) < STATE_TIMEOUTS[function]


@pytest.mark.parametrize("function", ["PinInputsFunction", "PublishResultsFunction"])
def test_function_that_waits_for_s3_or_athena_has_the_maximum_timeout(function: str) -> None:
    assert _timeout(function) == MAX_LAMBDA_TIMEOUT


def test_report_failure_has_time_to_wait_for_step_logs() -> None:
    """EMR stores logs every five minutes. With less time, the email would lack them."""
    required = report_failure._MAX_WAIT_SECONDS + report_failure._RESERVED_SECONDS
    assert _timeout("ReportFailureFunction") > required


def test_receive_upload_has_time_to_check_a_file() -> None:
    """It reads and checks the head of the file, and may wait for another email to be sent."""
    assert 60 <= _timeout("ReceiveUploadFunction") <= MAX_LAMBDA_TIMEOUT


def test_cloudformation_waits_longer_than_install_scripts_runs() -> None:
    """If the function never responds, CloudFormation does not wait for its default of one hour."""
    function_timeout = _timeout("InstallScriptsFunction")
    service_timeout = resource("SparkScripts")["ServiceTimeout"]
    assert RESERVED_SECONDS * 2 < function_timeout < service_timeout <= 600


def test_watchdog_sweeps_every_few_minutes_without_overlap() -> None:
    """An orphaned cluster incurs costs until the next sweep."""
    assert _timeout("WatchdogFunction") < _sweep_interval() <= 15 * 60


@pytest.mark.parametrize("name", ["ReceiveUploadFunction", "WatchdogFunction"])
def test_failed_event_is_tried_three_times(name: str) -> None:
    """The descriptions of queues and alarms state this number."""
    assert resource(name)["EventInvokeConfig"]["MaximumRetryAttempts"] == 2


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_enabled(rule: str) -> None:
    assert resource(rule).get("State", "ENABLED") == "ENABLED"


@pytest.mark.parametrize("rule", RULES)
def test_event_delivery_is_retried_for_a_day(rule: str) -> None:
    """185 attempts are the default and the maximum of EventBridge."""
    target: dict[str, Any]
    (target,) = resource(rule)["Targets"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": DAY, "MaximumRetryAttempts": 185}


@pytest.mark.parametrize("queue", QUEUES)
def test_dead_letters_are_kept_for_two_weeks(queue: str) -> None:
    assert resource(queue)["MessageRetentionPeriod"] == 14 * DAY


def test_notifications_are_recorded_as_long_as_their_events_can_be_repeated() -> None:
    """Otherwise, an event from the dead-letter queue could cause its email a second time."""
    assert RETENTION.total_seconds() >= DAY + 14 * DAY
