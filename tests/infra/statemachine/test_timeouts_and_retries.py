"""Timeouts of the states, and the errors that they retry."""

from __future__ import annotations

import re
from typing import Any

import botocore.session
import pytest

from pipeline.errors import RetryableError
from tests.infra.support import asl

MACHINE = asl.load_definition()
TOP_LEVEL_STATES = MACHINE["States"]
ALL_STATES = asl.all_states(MACHINE)
TASKS = {name: state for name, state in ALL_STATES.items() if state["Type"] == "Task"}
FUNCTIONS = [name for name, task in TASKS.items() if task["Resource"].endswith("lambda:invoke")]
VARIABLES = TOP_LEVEL_STATES["InitializeVariables"]["Assign"]
HOUR = 3600
MAX_HISTORY_EVENTS = 25_000

# "Handle transient Lambda service exceptions" in the Step Functions Developer Guide.
LAMBDA_ERRORS = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.TooManyRequestsException",
}
# Errors of a function that timed out or crashed. They are retried once.
TIMEOUT_ERRORS = {"States.Timeout", "Sandbox.Timedout", "Lambda.Unknown"}
# By service in the integration: the prefix of its errors, and the name of its unspecified errors.
SERVICES = {
    "dynamodb": ("DynamoDB", "AmazonDynamoDBException"),
    "glue": ("Glue", "GlueException"),
}
TEMPORARY_ERROR = re.compile(
    "Throttl|ThroughputExceeded|RequestLimit|InternalServer|OperationTimeout"
)


def _retried_errors(name: str) -> set[str]:
    return {error for retrier in TASKS[name].get("Retry", []) for error in retrier["ErrorEquals"]}


def _max_retry_wait(retrier: dict[str, Any]) -> float:
    """Return the total waiting time of a retrier in seconds, with the maximum jitter."""
    waits = (
        retrier["IntervalSeconds"] * retrier.get("BackoffRate", 2) ** attempt
        for attempt in range(retrier["MaxAttempts"])
    )
    return float(sum(min(wait, retrier["MaxDelaySeconds"]) for wait in waits))


def _max_duration(state: asl.State) -> float:
    """Return the seconds of a state that times out and waits as often as possible."""
    if "Branches" in state:
        return max(
            _max_duration(inner)
            for branch in state["Branches"]
            for inner in branch["States"].values()
        )
    if state["Type"] != "Task":
        return 0
    retriers = state.get("Retry", [])
    retries_after_timeout = sum(
        retrier["MaxAttempts"]
        for retrier in retriers
        if {"States.ALL", "States.Timeout"} & set(retrier["ErrorEquals"])
    )
    attempts = 1 + retries_after_timeout
    return float(attempts * state["TimeoutSeconds"] + sum(map(_max_retry_wait, retriers)))


def _longest_path(name: str, visited: frozenset[str] = frozenset()) -> float:
    """Return the seconds of the longest path from a state to an end, without repeating a state."""
    visited = visited | {name}
    targets = [transition.target for transition in asl.transitions(TOP_LEVEL_STATES[name])]
    remaining = [_longest_path(target, visited) for target in targets if target not in visited]
    return _max_duration(TOP_LEVEL_STATES[name]) + max(remaining, default=0)


def _max_wait_for_creation() -> float:
    """Return the seconds of all waits for a cluster whose creation is throttled."""
    [choice] = TOP_LEVEL_STATES["CheckCreateError"]["Choices"]
    failure = {"error": "EMR", "cause": "ThrottlingException"}
    seconds, count = 0.0, 0
    while asl.evaluate(choice["Condition"], {"throttle_count": count, "failure": failure}):
        wait = TOP_LEVEL_STATES["WaitToRetryCreate"]["Seconds"].replace("$random()", "1")
        seconds += asl.evaluate(wait, {"throttle_count": count})
        count += 1
    return seconds


def test_execution_timeout_exceeds_all_timeouts_and_retries() -> None:
    """No Catch sees the timeout of the execution, so it must be the last one to expire.

    The longest path includes every timeout with its retries, the waits of every Retry, and all
    checks of crawls. Other errors are assumed to occur immediately, and each crawl state to run
    once. The watchdog handles runs that need more time.
    """
    crawls = VARIABLES["max_polls"] * VARIABLES["poll_seconds"]
    longest = _longest_path(MACHINE["StartAt"]) + _max_wait_for_creation() + crawls
    assert longest < MACHINE["TimeoutSeconds"]


def test_execution_timeout_is_at_most_twelve_hours() -> None:
    """Until the timeout, the watchdog does not terminate the cluster of a run that hangs."""
    assert MACHINE["TimeoutSeconds"] <= 12 * HOUR


@pytest.mark.parametrize("name", TASKS)
def test_task_has_timeout(name: str) -> None:
    assert isinstance(TASKS[name]["TimeoutSeconds"], int)


@pytest.mark.parametrize("name", ["RunTransformation", "RunKpis"])
def test_job_timeout_leaves_hours_after_the_start_of_the_cluster(name: str) -> None:
    assert TASKS[name]["TimeoutSeconds"] >= 3 * HOUR


@pytest.mark.parametrize("name", ["TerminateCluster", "TerminateClusterAfterFailure"])
def test_termination_timeout_exceeds_the_polling_interval(name: str) -> None:
    """.sync polls every minute for ten minutes, and then every five minutes."""
    assert TASKS[name]["TimeoutSeconds"] >= 15 * 60


def test_crawls_have_an_hour_and_are_polled_at_least_every_minute() -> None:
    """A run may wait for two crawls: one that began too early, and the next one.

    Each check adds up to sixteen events to the history, and a full history ends the execution.
    """
    assert VARIABLES["max_polls"] * VARIABLES["poll_seconds"] >= HOUR
    assert 10 <= VARIABLES["poll_seconds"] <= 60
    assert VARIABLES["max_polls"] * 16 < MAX_HISTORY_EVENTS / 10


@pytest.mark.parametrize("name", sorted(TASKS.keys() - {"CreateCluster"}))
def test_task_is_retried_with_jitter_and_maximum_delay(name: str) -> None:
    assert TASKS[name]["Retry"]
    for retrier in TASKS[name]["Retry"]:
        assert retrier["JitterStrategy"] == "FULL"
        assert retrier["IntervalSeconds"] < retrier["MaxDelaySeconds"] <= 120
        assert 1 <= retrier["MaxAttempts"] <= 6


@pytest.mark.parametrize("name", sorted(TASKS.keys() - {"CreateCluster"}))
def test_retries_of_task_cover_at_least_a_minute(name: str) -> None:
    for retrier in TASKS[name]["Retry"]:
        if set(retrier["ErrorEquals"]) != TIMEOUT_ERRORS:
            assert _max_retry_wait(retrier) >= 60
            assert retrier["BackoffRate"] == 2


def test_cluster_creation_is_not_retried_blindly() -> None:
    assert "Retry" not in TASKS["CreateCluster"]
    transitions = asl.transitions(TOP_LEVEL_STATES["CreateCluster"])
    caught = [transition.target for transition in transitions if transition.is_caught]
    assert caught == ["CheckCreateError"]


@pytest.mark.parametrize("name", ["RunTransformation", "RunKpis"])
def test_step_that_failed_or_may_be_running_is_not_added_again(name: str) -> None:
    assert _retried_errors(name) == {"EMR.AmazonElasticMapReduceException"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_only_temporary_errors_of_functions_are_retried(name: str) -> None:
    """Other errors of our code would occur again."""
    assert _retried_errors(name) == {RetryableError.__name__} | LAMBDA_ERRORS | TIMEOUT_ERRORS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_that_timed_out_is_invoked_once_more(name: str) -> None:
    [retrier] = [r for r in TASKS[name]["Retry"] if "States.Timeout" in r["ErrorEquals"]]
    assert (set(retrier["ErrorEquals"]), retrier["MaxAttempts"]) == (TIMEOUT_ERRORS, 1)


@pytest.mark.parametrize(
    "name", [name for name, task in TASKS.items() if re.search("dynamodb:|glue:", task["Resource"])]
)
def test_only_temporary_service_errors_are_retried(name: str) -> None:
    """The API model of AWS lists the errors. Step Functions adds the suffix Exception to each."""
    service, call = TASKS[name]["Resource"].split(":")[-2:]
    prefix, unspecified = SERVICES[service]
    model = botocore.session.get_session().get_service_model(service)
    errors = {
        f"{prefix}.{error.name.removesuffix('Exception')}Exception"
        for error in model.operation_model(call[0].upper() + call[1:]).error_shapes
    }
    temporary = {error for error in errors if TEMPORARY_ERROR.search(error)}
    sdk_errors = {
        f"{prefix}.{error}" for error in ("ThrottlingException", "SdkClientException", unspecified)
    }
    assert temporary
    assert _retried_errors(name) == temporary | sdk_errors | {"States.Timeout"}


@pytest.mark.parametrize("name", ["TerminateCluster", "TerminateClusterAfterFailure"])
def test_termination_retries_all_errors(name: str) -> None:
    assert _retried_errors(name) == {"States.ALL"}
