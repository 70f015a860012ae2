"""Alarms and dashboard: their metrics exist, and each problem notifies the operator once."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

import pytest

from handlers.observability import NAMESPACE
from pipeline.intake.receiver import UploadOutcome
from tests.infra.support.intrinsics import resolve
from tests.infra.support.template import FUNCTION, PROJECT, resource, resources

FUNCTIONS = sorted(resources(FUNCTION))
QUEUES = sorted(resources("AWS::SQS::Queue"))
ALARMS = resources("AWS::CloudWatch::Alarm")
WATCHDOG_ALARM = "WatchdogNotInvokedAlarm"
EVENT_ALARMS = sorted(ALARMS.keys() - {WATCHDOG_ALARM})
"""The alarms that count events which should never occur."""
DASHBOARD: dict[str, Any] = json.loads(resource("Dashboard")["DashboardBody"]["Fn::Sub"])
WIDGETS = {widget["properties"]["title"]: widget for widget in DASHBOARD["widgets"]}


class Metric(NamedTuple):
    """A metric of CloudWatch."""

    namespace: str
    name: str
    dimensions: dict[str, str]

    @property
    def source(self) -> str:
        """What emits the metric: a handler, or the logical ID of a resource."""
        return list(self.dimensions.values())[-1]


# The dimension and the names of AWS metrics ("Metrics" in the guides of the services).
AWS_METRICS = {
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


def _exists(metric: Metric) -> bool:
    """Return whether one of our handlers or AWS emits the metric."""
    if metric.namespace == NAMESPACE:
        # CloudWatch matches the dimensions exactly. Without the stack, the stacks of an account
        # and region would share their metrics and alarms.
        return (
            list(metric.dimensions) == ["stack", "service"]
            and metric.dimensions["stack"] in {"AWS::StackName", "${AWS::StackName}"}
            and metric.name in _metric_names_of(metric.source)
        )
    dimension, names = AWS_METRICS[metric.namespace]
    return list(metric.dimensions) == [dimension] and metric.name in names


def _metric_names_of(function: str) -> set[str]:
    """Return the strings in the source of a handler, which include its metric names.

    A string at the start of an f-string is a prefix, which the outcomes of an upload complete.
    """
    path = PROJECT / "src" / "handlers" / f"{function}.py"
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    strings = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    prefixes = {
        str(node.values[0].value)
        for node in nodes
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant)
    }
    outcomes = get_args(UploadOutcome)
    return strings - prefixes | {prefix + outcome for prefix in prefixes for outcome in outcomes}


def _metric_of(alarm: str) -> Metric:
    properties = ALARMS[alarm]
    dimensions = {
        dimension["Name"]: _name_of(dimension["Value"]) for dimension in properties["Dimensions"]
    }
    return Metric(properties["Namespace"], properties["MetricName"], dimensions)


def _name_of(value: Any) -> str:
    return value if isinstance(value, str) else value.get("Ref") or value["Fn::GetAtt"][0]


def _metrics_of(widget: dict[str, Any]) -> Iterator[Metric]:
    """Yield the metrics of a widget. A dot repeats the value of the previous metric."""
    previous: list[str] = []
    for metric in widget["properties"].get("metrics", []):
        previous = [
            old if new == "." else new for new, old in zip(metric, previous or metric, strict=True)
        ]
        namespace, name, *dimensions = previous
        yield Metric(namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True)))


@pytest.mark.parametrize("alarm", ALARMS)
def test_metric_of_alarm_exists(alarm: str) -> None:
    """Missing data is not breaching, so an alarm on a misspelled metric would never go off."""
    assert _exists(_metric_of(alarm))


@pytest.mark.parametrize("title", WIDGETS)
def test_metrics_of_widget_exist(title: str) -> None:
    metrics = list(_metrics_of(WIDGETS[title]))
    assert all(_exists(metric) for metric in metrics)
    assert metrics or WIDGETS[title]["type"] == "alarm"


def test_dashboard_shows_this_stack_and_region() -> None:
    metrics = [metric for widget in WIDGETS.values() for metric in _metrics_of(widget)]
    state_machines = {metric.source for metric in metrics if metric.namespace == "AWS/States"}
    assert state_machines == {"${Pipeline}"}
    regions = {widget["properties"].get("region", "${AWS::Region}") for widget in WIDGETS.values()}
    assert regions == {"${AWS::Region}"}


def test_alarms_cover_functions_queues_runs_and_subscribers() -> None:
    covered = {(metric.name, metric.source) for metric in map(_metric_of, ALARMS)}
    assert covered == (
        {("Errors", function) for function in FUNCTIONS}
        | {("ApproximateNumberOfMessagesVisible", queue) for queue in QUEUES}
        | {(f"Executions{status}", "Pipeline") for status in ("Failed", "TimedOut", "Aborted")}
        | {("NoConfirmedSubscriber", "watchdog"), ("OrphanedClusters", "watchdog")}
        | {("Sweeps", "watchdog"), ("Throttles", "ReceiveUploadFunction")}
    )


@pytest.mark.parametrize("alarm", EVENT_ALARMS)
def test_alarm_goes_off_at_the_first_occurrence(alarm: str) -> None:
    """Missing data is the normal state of these alarms."""
    properties = ALARMS[alarm]
    assert (properties["Threshold"], properties["EvaluationPeriods"]) == (1, 1)
    assert properties["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert properties["TreatMissingData"] == "notBreaching"
    # Events are summed up. Queue lengths and flags are states, of which the maximum counts.
    counts_events = properties["Namespace"] in {"AWS/States", "AWS/Lambda"}
    assert properties["Statistic"] == ("Sum" if counts_events else "Maximum")


def test_alarm_goes_off_if_watchdog_is_never_invoked() -> None:
    """A function that is never invoked has no data, so missing data must count as a problem."""
    properties = ALARMS[WATCHDOG_ALARM]
    assert (properties["Threshold"], properties["EvaluationPeriods"]) == (1, 1)
    assert properties["ComparisonOperator"] == "LessThanThreshold"
    assert properties["TreatMissingData"] == "breaching"
    assert properties["Statistic"] == "Sum"
    # One invocation can be late without an alarm.
    minutes = re.fullmatch(
        r"rate\((\d+) minutes\)", resource("WatchdogSchedule")["ScheduleExpression"]
    )
    assert minutes
    assert properties["Period"] >= 2 * 60 * int(minutes[1])


@pytest.mark.parametrize("alarm", EVENT_ALARMS)
def test_period_of_alarm_avoids_flapping(alarm: str) -> None:
    """The watchdog emits metrics once per sweep, so its period must include several sweeps."""
    is_emitted_by_sweeps = ALARMS[alarm]["Namespace"] == NAMESPACE
    assert ALARMS[alarm]["Period"] == (3600 if is_emitted_by_sweeps else 300)


def test_alarms_without_action() -> None:
    """The pipeline itself sends emails about runs, and no email reaches a missing subscriber."""
    without_action = {name for name, alarm in ALARMS.items() if "AlarmActions" not in alarm}
    assert without_action == {
        "RunsFailedAlarm",
        "RunsTimedOutAlarm",
        "RunsAbortedAlarm",
        "PinInputsErrorsAlarm",
        "CheckRunErrorsAlarm",
        "PublishResultsErrorsAlarm",
        "NoSubscriberAlarm",
    }


@pytest.mark.parametrize("alarm", ALARMS)
def test_alarm_notifies_the_topic_and_is_enabled(alarm: str) -> None:
    assert ALARMS[alarm].get("AlarmActions", [{"Ref": "ReportTopic"}]) == [{"Ref": "ReportTopic"}]
    assert ALARMS[alarm].get("ActionsEnabled", True) is True


@pytest.mark.parametrize("function", FUNCTIONS)
def test_description_of_alarm_names_the_log_group(function: str) -> None:
    name = function.removesuffix("Function")
    description = resolve(ALARMS[f"{name}ErrorsAlarm"]["AlarmDescription"])
    assert description.endswith(f"Find the cause in the log group {name}LogGroup.")


def test_dashboard_shows_every_alarm() -> None:
    arns = WIDGETS["Alarms"]["properties"]["alarms"]
    assert sorted(re.sub(r"\$\{(\w+)\.Arn\}", r"\1", arn) for arn in arns) == sorted(ALARMS)
