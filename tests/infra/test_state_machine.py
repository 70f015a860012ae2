"""Promises about the state machine's definition, read from the source."""

from __future__ import annotations

import importlib
import json
import re
from typing import Any

from tests.infra import asl

# Its package has no types.
CFN_LINT = importlib.import_module("cfnlint.api")
MACHINE = asl.definition()
TOP = MACHINE["States"]
EVERY = asl.every_state(MACHINE)
TASKS = {name: state for name, state in EVERY.items() if state["Type"] == "Task"}
# The way of a failure: on it an error must not hide the first one.
FAILURE_CHAIN = {"TerminateClusterAfterFailure", "ReportFailure", "RecordFailed"}


def _uses(state: asl.State, call: str) -> bool:
    return str(state.get("Resource", "")).endswith(call)


def _lint(machine: dict[str, Any]) -> list[str]:
    properties = {"RoleArn": "arn:aws:iam::123456789012:role/any", "Definition": machine}
    resource = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Pipeline": resource}}
    return [str(match) for match in CFN_LINT.lint_all(json.dumps(template))]


def test_it_is_a_valid_state_machine_before_and_after_substitution() -> None:
    assert _lint(json.loads(asl.source())) == []
    assert _lint(MACHINE) == []
    assert MACHINE["QueryLanguage"] == "JSONata"


def test_every_substitution_is_used_and_no_other() -> None:
    assert set(re.findall(r"\$\{([^}]*)\}", asl.source())) == set(asl.SUBSTITUTIONS)


def test_every_state_is_reached_and_every_way_leads_to_a_state() -> None:
    reached, open_ends = set(), [MACHINE["StartAt"]]
    while open_ends:
        name = open_ends.pop()
        if name not in reached:
            reached.add(name)
            open_ends += [way.to for way in asl.ways(TOP[name])]
    assert reached == set(TOP)


def test_only_a_published_run_and_the_fail_state_end_an_execution() -> None:
    assert {name for name, state in TOP.items() if not list(asl.ways(state))} == {"Failed"}
    assert {name for name, state in TOP.items() if state.get("End")} == {"RecordPublished"}
    assert TOP["Failed"]["Type"] == "Fail"


def test_every_task_and_parallel_catches_everything() -> None:
    """A branch's task has no Catch: its error is the Parallel's, whose Catch ends the cluster."""
    for name, state in EVERY.items():
        if state["Type"] in {"Task", "Parallel"}:
            catchers = [catcher["ErrorEquals"] for catcher in state.get("Catch", [])]
            assert catchers[-1:] == ([["States.ALL"]] if name in TOP else []), name


def test_a_failure_names_the_state_that_it_was_seen_in() -> None:
    for name, state in TOP.items():
        for way in asl.ways(state):
            if name not in FAILURE_CHAIN and (way.caught or "failure" in way.assigns):
                expected = name if way.to != "WaitForCrawler" else None
                assert way.assigns.get("failure", {}).get("state") == expected, name


def test_the_first_failure_is_the_one_that_is_told() -> None:
    for name in FAILURE_CHAIN:
        for way in asl.ways(TOP[name]):
            failure = way.assigns.get("failure")
            assert failure is None or failure["error"] == "{% $failure.error %}"
            assert way.to in FAILURE_CHAIN | {"Failed"}


def test_no_way_leaves_a_cluster_behind() -> None:
    """Each way from CreateCluster is followed with what is known of the cluster.

    `alive` becomes `gone` when a termination succeeds, and `lost` when the last resort fails, the
    one that is retried whatever its error: then only the watchdog is left. Nothing else may end.
    """
    seen, open_ends = set(), [(way.to, "alive") for way in _created()]
    while open_ends:
        name, cluster = open_ends.pop()
        if (name, cluster) in seen:
            continue
        seen.add((name, cluster))
        state = TOP[name]
        assert cluster != "alive" or not (state.get("End") or state["Type"] == "Fail"), name
        assert cluster == "alive" or "Branches" not in state, name
        for way in asl.ways(state):
            after = cluster
            if _uses(state, "terminateCluster.sync"):
                last_resort = state["Retry"][0]["ErrorEquals"] == ["States.ALL"]
                after = "gone" if not way.caught else "lost" if last_resort else "alive"
            open_ends.append((way.to, after))
    assert {cluster for name, cluster in seen if name == "RecordPublished"} == {"gone"}
    assert {cluster for name, cluster in seen if name == "Failed"} == {"gone", "lost"}


def _created() -> list[asl.Way]:
    return [way for way in asl.ways(TOP["CreateCluster"]) if not way.caught]


def test_every_variable_is_set_on_every_way_to_where_it_is_read() -> None:
    """An undefined variable fails the state, and outside a Task nothing catches that."""
    known: dict[str, set[str]] = {MACHINE["StartAt"]: set()}
    open_ends = [MACHINE["StartAt"]]
    while open_ends:
        name = open_ends.pop()
        for way in asl.ways(TOP[name]):
            after = known[name] | way.assigns.keys()
            if way.to not in known or not known[way.to] <= after:
                known[way.to] = known.get(way.to, after) & after
                open_ends.append(way.to)
    for name, state in TOP.items():
        assert asl.names_used(state) <= known[name], name


def test_states_that_nothing_catches_read_variables_alone() -> None:
    """An unexpected input or result in a Pass, Choice, Wait or Fail would end the execution."""
    for name, state in TOP.items():
        if state["Type"] in {"Pass", "Choice", "Wait", "Fail"}:
            for expression in asl.expressions(state):
                assert set(re.findall(r"\$states\.(\w+)", expression)) <= {"context"}, name
