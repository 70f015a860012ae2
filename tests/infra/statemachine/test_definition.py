"""Rules that the definition of the state machine follows."""

from __future__ import annotations

import importlib
import json
import re
from typing import Any

from tests.infra.support import asl

# The cfn-lint package has no type annotations.
CFN_LINT = importlib.import_module("cfnlint.api")
MACHINE = asl.load_definition()
TOP_LEVEL_STATES = MACHINE["States"]
ALL_STATES = asl.all_states(MACHINE)
# An error in one of these states must not replace the first error.
FAILURE_PATH = {"TerminateClusterAfterFailure", "ReportFailure", "RecordFailed"}


def _calls(state: asl.State, call: str) -> bool:
    return str(state.get("Resource", "")).endswith(call)


def _lint(machine: dict[str, Any]) -> list[str]:
    properties = {"RoleArn": "arn:aws:iam::123456789012:role/any", "Definition": machine}
    resource = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Pipeline": resource}}
    return [str(match) for match in CFN_LINT.lint_all(json.dumps(template))]


def test_definition_is_valid_before_and_after_substitution() -> None:
    assert _lint(json.loads(asl.read_source())) == []
    assert _lint(MACHINE) == []
    assert MACHINE["QueryLanguage"] == "JSONata"


def test_definition_uses_exactly_the_known_substitutions() -> None:
    assert set(re.findall(r"\$\{([^}]*)\}", asl.read_source())) == set(asl.SUBSTITUTIONS)


def test_every_state_is_reachable() -> None:
    reached, pending = set(), [MACHINE["StartAt"]]
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending += [transition.target for transition in asl.transitions(TOP_LEVEL_STATES[name])]
    assert reached == set(TOP_LEVEL_STATES)


def test_execution_ends_in_record_published_or_failed() -> None:
    assert {
        name for name, state in TOP_LEVEL_STATES.items() if not list(asl.transitions(state))
    } == {"Failed"}
    assert {name for name, state in TOP_LEVEL_STATES.items() if state.get("End")} == {
        "RecordPublished"
    }
    assert TOP_LEVEL_STATES["Failed"]["Type"] == "Fail"


def test_every_task_and_parallel_state_catches_all_errors() -> None:
    """Tasks in a branch have no Catch, because the Catch of the Parallel state handles errors."""
    for name, state in ALL_STATES.items():
        if state["Type"] in {"Task", "Parallel"}:
            catchers = [catcher["ErrorEquals"] for catcher in state.get("Catch", [])]
            assert catchers[-1:] == ([["States.ALL"]] if name in TOP_LEVEL_STATES else []), name


def test_failure_names_the_state_that_failed() -> None:
    for name, state in TOP_LEVEL_STATES.items():
        for transition in asl.transitions(state):
            if name not in FAILURE_PATH and (
                transition.is_caught or "failure" in transition.assignments
            ):
                expected = name if transition.target != "WaitForCrawl" else None
                assert transition.assignments.get("failure", {}).get("state") == expected, name


def test_first_failure_is_kept() -> None:
    for name in FAILURE_PATH:
        for transition in asl.transitions(TOP_LEVEL_STATES[name]):
            failure = transition.assignments.get("failure")
            assert failure is None or failure["error"] == "{% $failure.error %}"
            assert transition.target in FAILURE_PATH | {"Failed"}


def test_every_path_terminates_the_cluster() -> None:
    """Follows every path from CreateCluster, together with the state of the cluster.

    The cluster is `terminated` when a termination succeeds, and `lost` when the last resort fails,
    which is the termination that retries every error. Then only the watchdog is left. No path may
    end while the cluster is `running`.
    """
    created = [
        transition
        for transition in asl.transitions(TOP_LEVEL_STATES["CreateCluster"])
        if not transition.is_caught
    ]
    seen, pending = set(), [(transition.target, "running") for transition in created]
    while pending:
        name, cluster = pending.pop()
        if (name, cluster) in seen:
            continue
        seen.add((name, cluster))
        state = TOP_LEVEL_STATES[name]
        assert cluster != "running" or not (state.get("End") or state["Type"] == "Fail"), name
        assert cluster == "running" or "Branches" not in state, name
        for transition in asl.transitions(state):
            cluster_after = cluster
            if _calls(state, "terminateCluster.sync"):
                is_last_resort = state["Retry"][0]["ErrorEquals"] == ["States.ALL"]
                if not transition.is_caught:
                    cluster_after = "terminated"
                else:
                    cluster_after = "lost" if is_last_resort else "running"
            pending.append((transition.target, cluster_after))
    assert {cluster for name, cluster in seen if name == "RecordPublished"} == {"terminated"}
    assert {cluster for name, cluster in seen if name == "Failed"} == {"terminated", "lost"}


def test_variables_are_assigned_on_every_path_before_they_are_read() -> None:
    """An undefined variable fails the state, and outside a Task no Catch handles that."""
    assigned: dict[str, set[str]] = {MACHINE["StartAt"]: set()}
    pending = [MACHINE["StartAt"]]
    while pending:
        name = pending.pop()
        for transition in asl.transitions(TOP_LEVEL_STATES[name]):
            target = transition.target
            assigned_after = assigned[name] | transition.assignments.keys()
            if target not in assigned or not assigned[target] <= assigned_after:
                assigned[target] = assigned.get(target, assigned_after) & assigned_after
                pending.append(target)
    for name, state in TOP_LEVEL_STATES.items():
        assert asl.variables_read(state) <= assigned[name], name


def test_states_without_catch_read_only_variables() -> None:
    """An unexpected input or result in a Pass, Choice, Wait, or Fail state ends the execution."""
    for name, state in TOP_LEVEL_STATES.items():
        if state["Type"] in {"Pass", "Choice", "Wait", "Fail"}:
            for expression in asl.expressions(state):
                assert set(re.findall(r"\$states\.(\w+)", expression)) <= {"context"}, name
