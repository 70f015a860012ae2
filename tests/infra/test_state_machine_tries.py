"""How long a state may take, and which errors are worth another try."""

from __future__ import annotations

import re
from typing import Any

import botocore.session
import pytest

from pipeline.errors import RetryableError
from tests.infra import asl

MACHINE = asl.definition()
TOP = MACHINE["States"]
EVERY = asl.every_state(MACHINE)
TASKS = {name: state for name, state in EVERY.items() if state["Type"] == "Task"}
FUNCTIONS = [name for name, task in TASKS.items() if task["Resource"].endswith("lambda:invoke")]
POLLS = TOP["InitializeVariables"]["Assign"]
HOUR = 3600
LARGEST_HISTORY = 25_000

# "Handle transient Lambda service exceptions" in the guide to Step Functions.
OF_LAMBDA = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.TooManyRequestsException",
}
# A function that hung or died: once more, and not all the night.
OF_FUNCTIONS_THAT_HUNG = {"States.Timeout", "Sandbox.Timedout", "Lambda.Unknown"}
# The service as the integration and as its errors name it, with what it calls all other errors.
SERVICES = {
    "dynamodb": ("DynamoDB", "AmazonDynamoDBException"),
    "glue": ("Glue", "GlueException"),
}
TEMPORARY = re.compile("Throttl|ThroughputExceeded|RequestLimit|InternalServer|OperationTimeout")


def _retried(name: str) -> set[str]:
    return {error for retrier in TASKS[name].get("Retry", []) for error in retrier["ErrorEquals"]}


def _waits(retrier: dict[str, Any]) -> float:
    """The seconds that all of its waits take together, if chance makes each the longest."""
    waits = (
        retrier["IntervalSeconds"] * retrier.get("BackoffRate", 2) ** tries
        for tries in range(retrier["MaxAttempts"])
    )
    return float(sum(min(wait, retrier["MaxDelaySeconds"]) for wait in waits))


def _stay(state: asl.State) -> float:
    """The seconds that a state takes if it times out as often as it may, and waits for the rest."""
    if "Branches" in state:
        return max(_stay(one) for branch in state["Branches"] for one in branch["States"].values())
    if state["Type"] != "Task":
        return 0
    retriers = state.get("Retry", [])
    again = sum(
        retrier["MaxAttempts"]
        for retrier in retriers
        if {"States.ALL", "States.Timeout"} & set(retrier["ErrorEquals"])
    )
    return float((1 + again) * state["TimeoutSeconds"] + sum(map(_waits, retriers)))


def _longest(name: str, before: frozenset[str] = frozenset()) -> float:
    """The seconds of the longest way from a state to an end that passes no state twice."""
    after = before | {name}
    ends = [_longest(way.to, after) for way in asl.ways(TOP[name]) if way.to not in after]
    return _stay(TOP[name]) + max(ends, default=0)


def _until_created() -> float:
    """The seconds of all waits for a cluster whose creation is throttled, the longest."""
    [choice] = TOP["CheckCreateError"]["Choices"]
    failure = {"error": "EMR", "cause": "ThrottlingException"}
    seconds, throttled = 0.0, 0
    while asl.evaluate(choice["Condition"], {"throttled": throttled, "failure": failure}):
        wait = TOP["WaitToRetryCreate"]["Seconds"].replace("$random()", "1")
        seconds += asl.evaluate(wait, {"throttled": throttled})
        throttled += 1
    return seconds


def test_the_execution_outlasts_time_outs_and_retries_all_the_way() -> None:
    """No Catch sees the execution's own time-out, so it is the last to come.

    Counted are, on the longest way, every time-out as often as it is tried again, every wait of
    every Retry, and both crawls to their last look. Any other error is taken to come at once, and
    so is what is looked at in a crawl, but for one time: who needs more has the watchdog.
    """
    crawls = 2 * POLLS["most_polls"] * POLLS["poll_seconds"]
    longest = _longest(MACHINE["StartAt"]) + _until_created() + crawls
    assert longest < MACHINE["TimeoutSeconds"]


def test_the_execution_ends_within_half_a_day() -> None:
    """Until then a run that hangs holds its cluster, which the watchdog leaves to it."""
    assert MACHINE["TimeoutSeconds"] <= 12 * HOUR


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_timeout(name: str) -> None:
    assert isinstance(TASKS[name]["TimeoutSeconds"], int)


@pytest.mark.parametrize("name", ["RunTransformation", "RunKpis"])
def test_a_job_has_hours_besides_the_start_of_its_cluster(name: str) -> None:
    assert TASKS[name]["TimeoutSeconds"] >= 3 * HOUR


@pytest.mark.parametrize("name", ["TerminateCluster", "TerminateClusterAfterFailure"])
def test_the_end_of_a_cluster_is_waited_for_until_it_is_seen(name: str) -> None:
    """.sync looks every minute for ten minutes, and then every five."""
    assert TASKS[name]["TimeoutSeconds"] >= 15 * 60


def test_a_crawl_has_half_an_hour_and_is_looked_at_every_minute_or_oftener() -> None:
    """Each look is some twelve events of a history that ends the execution when it is full."""
    assert POLLS["most_polls"] * POLLS["poll_seconds"] >= HOUR / 2
    assert 10 <= POLLS["poll_seconds"] <= 60
    assert 2 * POLLS["most_polls"] * 12 < LARGEST_HISTORY / 10


@pytest.mark.parametrize("name", sorted(TASKS.keys() - {"CreateCluster"}))
def test_every_task_is_retried_with_jitter_and_a_longest_wait(name: str) -> None:
    assert TASKS[name]["Retry"]
    for retrier in TASKS[name]["Retry"]:
        assert retrier["JitterStrategy"] == "FULL"
        assert retrier["IntervalSeconds"] < retrier["MaxDelaySeconds"] <= 120
        assert 1 <= retrier["MaxAttempts"] <= 6


@pytest.mark.parametrize("name", sorted(TASKS.keys() - {"CreateCluster"}))
def test_what_is_retried_is_given_a_minute_to_get_better(name: str) -> None:
    for retrier in TASKS[name]["Retry"]:
        if set(retrier["ErrorEquals"]) != OF_FUNCTIONS_THAT_HUNG:
            assert _waits(retrier) >= 60
            assert retrier["BackoffRate"] == 2


def test_a_cluster_is_never_created_again_blindly() -> None:
    assert "Retry" not in TASKS["CreateCluster"]
    assert [way.to for way in asl.ways(TOP["CreateCluster"]) if way.caught] == ["CheckCreateError"]


@pytest.mark.parametrize("name", ["RunTransformation", "RunKpis"])
def test_a_step_that_failed_or_may_run_is_not_added_again(name: str) -> None:
    assert _retried(name) == {"EMR.AmazonElasticMapReduceException"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_temporary_errors_of_the_functions_are_retried_by_their_name(name: str) -> None:
    """And no others: an error of ours is the same the next time."""
    assert _retried(name) == {RetryableError.__name__} | OF_LAMBDA | OF_FUNCTIONS_THAT_HUNG


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_hung_is_called_once_more(name: str) -> None:
    [retrier] = [r for r in TASKS[name]["Retry"] if "States.Timeout" in r["ErrorEquals"]]
    assert (set(retrier["ErrorEquals"]), retrier["MaxAttempts"]) == (OF_FUNCTIONS_THAT_HUNG, 1)


@pytest.mark.parametrize(
    "name", [name for name, task in TASKS.items() if re.search("dynamodb:|glue:", task["Resource"])]
)
def test_throttling_and_faults_of_a_service_are_retried_and_refusals_are_not(name: str) -> None:
    """Read from AWS's own model of the call; Step Functions ends each name with Exception."""
    service, call = TASKS[name]["Resource"].split(":")[-2:]
    prefix, others = SERVICES[service]
    model = botocore.session.get_session().get_service_model(service)
    errors = {
        f"{prefix}.{error.name.removesuffix('Exception')}Exception"
        for error in model.operation_model(call[0].upper() + call[1:]).error_shapes
    }
    temporary = {error for error in errors if TEMPORARY.search(error)}
    of_sdk = {
        f"{prefix}.{error}" for error in ("ThrottlingException", "SdkClientException", others)
    }
    assert temporary
    assert _retried(name) == temporary | of_sdk | {"States.Timeout"}


@pytest.mark.parametrize("name", ["TerminateCluster", "TerminateClusterAfterFailure"])
def test_a_cluster_is_told_to_end_until_it_does(name: str) -> None:
    assert _retried(name) == {"States.ALL"}
