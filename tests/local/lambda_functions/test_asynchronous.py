"""Tests of asynchronous invocations on the local cloud: throttling and retries."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.cloud import Cloud
from tests.local.support.functions import create_and_invoke_function
from tests.support.waiting import wait_until

EVENTS = 8
HANDLER = """
import time

def handler(event, context):
    time.sleep(event.get("seconds", 0))
    print(f"processed {event.get('number', event.get('detail'))}.")
    if event.get("detail", {}).get("fails"):
        raise ValueError
"""


def count_messages(cloud: Cloud, function: str, message: str) -> int:
    pages = cloud.client("logs").get_paginator("filter_log_events")
    messages: list[str] = [
        event["message"]
        for page in pages.paginate(logGroupName=f"/aws/lambda/{function}")
        for event in page["events"]
    ]
    return sum(message in text for text in messages)


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    """The name of a function that processes one event at a time."""
    name = "asynchronous"
    create_and_invoke_function(cloud, name, HANDLER)
    cloud.client("lambda").put_function_concurrency(
        FunctionName=name, ReservedConcurrentExecutions=1
    )
    return name


def test_throttled_events_wait_until_they_can_be_processed(cloud: Cloud, function: str) -> None:
    """All events together take longer than the retries after errors."""
    client: Any = cloud.client("lambda")
    for number in range(EVENTS):
        payload = json.dumps({"number": number, "seconds": 1})
        client.invoke(FunctionName=function, InvocationType="Event", Payload=payload)

    def count(number: int) -> int:
        return count_messages(cloud, function, f"processed {number}.")

    assert wait_until(lambda: all(count(number) for number in range(EVENTS)))
    assert [count(number) for number in range(EVENTS)] == [1] * EVENTS


def test_synchronous_invocation_does_not_wait(cloud: Cloud, function: str) -> None:
    client: Any = cloud.client("lambda")
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    try:
        with pytest.raises(client.exceptions.TooManyRequestsException):
            client.invoke(FunctionName=function, Payload="{}")
    finally:
        client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)


def test_failed_event_of_eventbridge_is_processed_three_times(cloud: Cloud, function: str) -> None:
    events, functions = cloud.client("events"), cloud.client("lambda")
    arn = functions.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    rule = events.put_rule(Name=function, EventPattern=json.dumps({"source": [function]}))
    functions.add_permission(
        FunctionName=function,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule["RuleArn"],
    )
    events.put_targets(Rule=function, Targets=[{"Id": "function", "Arn": arn}])
    detail = json.dumps({"fails": True})
    events.put_events(Entries=[{"Source": function, "DetailType": "test", "Detail": detail}])

    message = "processed {'fails': True}."
    assert wait_until(lambda: count_messages(cloud, function, message) == 3)
