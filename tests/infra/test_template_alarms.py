"""What is watched: there is such a metric, it goes off at the first time, and somebody is told."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from handlers.observability import NAMESPACE
from pipeline.intake.receiver import Outcome
from tests.infra.template import FUNCTION, PROJECT, resource, resources
from tests.infra.template_values import resolved

FUNCTIONS = sorted(resources(FUNCTION))
QUEUES = sorted(resources("AWS::SQS::Queue"))
ALARMS = resources("AWS::CloudWatch::Alarm")
DASHBOARD: dict[str, Any] = json.loads(resource("Dashboard")["DashboardBody"]["Fn::Sub"])
WIDGETS = {widget["properties"]["title"]: widget for widget in DASHBOARD["widgets"]}

Metric = tuple[str, str, str, str]
"""Namespace, name, dimension and what the dimension names."""

# "Metrics" in the guides of Step Functions, Lambda and SQS: the dimension, and the names.
OF_AWS = {
    "AWS/States": (
        "StateMachineArn",
        {
            "ExecutionTime",
            "ExecutionsStarted",
            "ExecutionsSucceeded",
            "ExecutionsFailed",
            "ExecutionsTimedOut",
            "ExecutionsAborted",
        },
    ),
    "AWS/Lambda": ("FunctionName", {"Errors", "Throttles", "Duration", "Invocations"}),
    "AWS/SQS": ("QueueName", {"ApproximateNumberOfMessagesVisible"}),
}


def _known(metric: Metric) -> bool:
    """Whether anybody writes the metric: one of our handlers, or AWS."""
    namespace, name, dimension, value = metric
    if namespace == NAMESPACE:
        return dimension == "service" and name in _written_by(value)
    by, names = OF_AWS[namespace]
    return dimension == by and name in names


def _written_by(function: str) -> set[str]:
    """The strings of a handler's source, and those that it ends with an upload's outcome."""
    path = PROJECT / "src" / "handlers" / f"{function}.py"
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    found = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    begun = {
        str(node.values[0].value)
        for node in nodes
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant)
    }
    return found - begun | {start + end.title() for start in begun for end in get_args(Outcome)}


def _watched(alarm: str) -> Metric:
    found = ALARMS[alarm]
    [dimension] = found["Dimensions"]
    value = dimension["Value"]
    named = value if isinstance(value, str) else value.get("Ref") or value["Fn::GetAtt"][0]
    return found["Namespace"], found["MetricName"], dimension["Name"], named


def _shown(widget: dict[str, Any]) -> Iterator[Metric]:
    """A widget's metrics; a dot stands for what the one before it has there."""
    before: list[str] = []
    for metric in widget["properties"].get("metrics", []):
        before = [
            old if new == "." else new for new, old in zip(metric, before or metric, strict=True)
        ]
        namespace, name, dimension, value = before
        yield namespace, name, dimension, value


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_watches_what_somebody_writes(alarm: str) -> None:
    """No data is no alarm, so one that watches a name that nobody writes would never be noticed."""
    assert _known(_watched(alarm))


@pytest.mark.parametrize("title", WIDGETS)
def test_the_dashboard_shows_what_somebody_writes(title: str) -> None:
    metrics = list(_shown(WIDGETS[title]))
    assert all(_known(metric) for metric in metrics)
    assert metrics or WIDGETS[title]["type"] == "alarm"


def test_the_dashboard_is_about_this_stack() -> None:
    metrics = [metric for widget in WIDGETS.values() for metric in _shown(widget)]
    of_machine = {value for space, _, _, value in metrics if space == "AWS/States"}
    assert of_machine == {"${Pipeline}"}
    regions = {widget["properties"].get("region", "${AWS::Region}") for widget in WIDGETS.values()}
    assert regions == {"${AWS::Region}"}


def test_there_is_an_alarm_for_everything_that_can_go_wrong() -> None:
    watched = {(name, value) for _, name, _, value in map(_watched, ALARMS)}
    assert watched == (
        {("Errors", function) for function in FUNCTIONS}
        | {("ApproximateNumberOfMessagesVisible", queue) for queue in QUEUES}
        | {(f"Executions{end}", "Pipeline") for end in ("Failed", "TimedOut", "Aborted")}
        | {("NoConfirmedSubscriber", "watchdog")}
    )


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_goes_off_at_the_first_time(alarm: str) -> None:
    """Each counts what should never be, so one is too many; silence is what should be."""
    found = ALARMS[alarm]
    assert (found["Threshold"], found["EvaluationPeriods"]) == (1, 1)
    assert found["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert found["TreatMissingData"] == "notBreaching"
    # What happened is counted; what lies there, or is so, is looked at.
    happens = found["Namespace"] in {"AWS/States", "AWS/Lambda"}
    assert found["Statistic"] == ("Sum" if happens else "Maximum")


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_goes_off_within_minutes_and_not_on_and_off(alarm: str) -> None:
    """What the watchdog writes comes with its rounds: a period holds some of them."""
    by_rounds = ALARMS[alarm]["Namespace"] == NAMESPACE
    assert ALARMS[alarm]["Period"] == (3600 if by_rounds else 300)


def test_a_cause_is_mailed_once_and_where_somebody_reads() -> None:
    """Silent are the alarms that repeat what the pipeline mails itself, and the one that says that
    nobody reads its mails."""
    silent = {name for name, alarm in ALARMS.items() if "AlarmActions" not in alarm}
    assert silent == {
        "RunsFailedAlarm",
        "RunsTimedOutAlarm",
        "RunsAbortedAlarm",
        "PinInputsErrorsAlarm",
        "CheckRunErrorsAlarm",
        "PublishResultsErrorsAlarm",
        "NoSubscriberAlarm",
    }


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_tells_the_topic_and_is_not_switched_off(alarm: str) -> None:
    assert ALARMS[alarm].get("AlarmActions", [{"Ref": "ReportTopic"}]) == [{"Ref": "ReportTopic"}]
    assert ALARMS[alarm].get("ActionsEnabled", True) is True


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_alarm_names_the_log_to_read(function: str) -> None:
    name = function.removesuffix("Function")
    words = resolved(ALARMS[f"{name}ErrorsAlarm"]["AlarmDescription"])
    assert words.endswith(f"Its log: {name}LogGroup")


def test_the_dashboard_shows_every_alarm() -> None:
    shown = WIDGETS["Alarms"]["properties"]["alarms"]
    assert sorted(re.sub(r"\$\{(\w+)\.Arn\}", r"\1", arn) for arn in shown) == sorted(ALARMS)
