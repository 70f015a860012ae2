"""`./run stop`: the execution ends first, and then its own cluster."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator_stack import STACK, CommandLine, OperatorStack, make_run_id


class Emr:
    """An EMR client with clusters of several runs, on two pages.

    Attributes:
        terminated: The terminated clusters.
    """

    def __init__(self, clusters: dict[str, tuple[str, dict[str, str]]]) -> None:
        self._clusters = clusters
        self.terminated: list[str] = []

    def get_paginator(self, operation: str) -> Emr:
        assert operation == "list_clusters"
        return self

    def paginate(self, ClusterStates: list[str]) -> Any:  # noqa: N803 - boto3's name
        assert set(ClusterStates) == {"STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"}
        for cluster_id, (name, _) in self._clusters.items():
            yield {"Clusters": [{"Id": cluster_id, "Name": name}]}

    def describe_cluster(self, ClusterId: str) -> Any:  # noqa: N803 - boto3's name
        tags = [{"Key": key, "Value": value} for key, value in self._clusters[ClusterId][1].items()]
        return {"Cluster": {"Tags": tags}}

    def terminate_job_flows(self, JobFlowIds: list[str]) -> None:  # noqa: N803 - boto3's name
        self.terminated += JobFlowIds


def test_run_and_its_cluster_are_stopped(stack: OperatorStack, run: CommandLine) -> None:
    other = stack.add_run("2026-10", status="RUNNING")
    run_id = stack.add_run("2026-11", status="RUNNING")
    emr = stack.fakes["emr"] = Emr(
        {
            "j-OTHER": (f"{STACK} {other}", {"stack": STACK, "run": other}),
            "j-FOREIGN": (f"{STACK} {run_id}", {"stack": "another", "run": run_id}),
            "j-OWN": (f"{STACK} {run_id}", {"stack": STACK, "run": run_id}),
        }
    )
    result = run.on_aws("stop", "2026-11", "--yes")
    assert result.exit_code == 0
    assert result.stdout == f"Stopped run {run_id}.\nTerminating cluster j-OWN.\n"
    assert emr.terminated == ["j-OWN"]
    execution = stack.client("stepfunctions").describe_execution(
        executionArn=stack.target.get_execution_arn(run_id)
    )
    assert execution["status"] == "ABORTED"
    assert run.on_aws("show", run_id, "--exit-status").exit_code == 3
    assert (
        run.on_aws("runs", "--status", "running", "--json").document["runs"][0]["run_id"] == other
    )


@pytest.mark.parametrize("status", ["PUBLISHED", "SUPERSEDED", "FAILED"])
def test_run_that_has_ended_cannot_be_stopped(
    stack: OperatorStack, run: CommandLine, status: str
) -> None:
    stack.add_run("2026-11", status=status)
    result = run.on_aws("stop", "2026-11", "--yes")
    assert result.exit_code == 2
    assert f"has ended with the status {status}" in result.stderr


def test_waiting_run_cannot_be_stopped(stack: OperatorStack, run: CommandLine) -> None:
    waiting = make_run_id("2026-11")
    stack.put_item(
        {
            "id": "batch/raw/2026-11/",
            "claimed_runs": {waiting: {"claimed_at": "2026-11-21T08:00:00.000000Z", "files": []}},
            "open": "batch",
        }
    )
    result = run.on_aws("stop", waiting, "--yes")
    assert result.exit_code == 2
    assert "has not started: it waits until another run ends" in result.stderr


def test_nothing_is_stopped_without_a_confirmation(stack: OperatorStack, run: CommandLine) -> None:
    stack.add_run("2026-11", status="RUNNING")
    run.answer("n")
    assert run.on_aws("stop", "latest").exit_code == 2
    assert run.on_aws("runs", "--json").document["runs"][0]["status"] == "RUNNING"
