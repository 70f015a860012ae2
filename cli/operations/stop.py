"""The command `stop`: stop a run, its cluster included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cli.runs.run import WAITING, Run
from cli.target.target import Target
from local.errors import UserError

_ACTIVE_STATES = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
_ERROR = "Stopped"


def check_running(run: Run) -> None:
    """Check that a run can be stopped.

    Raises:
        UserError: It has ended, or it has not started.
    """
    if run.status == WAITING:
        raise UserError(
            f"run {run.run_id} has not started: it waits until another run ends. Stop that one, or"
            " stop this one when it has started"
        )
    if run.has_ended:
        raise UserError(f"run {run.run_id} has ended with the status {run.status}")


def stop_run(target: Target, run: Run) -> list[str]:
    """Stop the execution of a run, and terminate its cluster.

    The watchdog does the same with a cluster that is being created at this moment, and records that
    the run has failed.

    Args:
        target: The stack.
        run: A run in progress.

    Returns:
        The IDs of the clusters that are being terminated.
    """
    # First the execution, which could create a cluster otherwise.
    target.client("stepfunctions").stop_execution(
        executionArn=target.get_execution_arn(run.run_id),
        error=_ERROR,
        cause=f"{target.account.caller_arn} stopped the run",
    )
    emr = target.client("emr")
    clusters = list(_find_clusters(emr, target.stack.name, run.run_id))
    for cluster_id in clusters:
        emr.terminate_job_flows(JobFlowIds=[cluster_id])
    return clusters


def _find_clusters(emr: Any, stack: str, run_id: str) -> Iterator[str]:
    """Yield the active clusters of a run. Their tags decide: anyone can choose a name."""
    for page in emr.get_paginator("list_clusters").paginate(ClusterStates=_ACTIVE_STATES):
        for cluster in page["Clusters"]:
            if cluster["Name"] != f"{stack} {run_id}":
                continue
            description = emr.describe_cluster(ClusterId=cluster["Id"])["Cluster"]
            tags = {tag["Key"]: tag["Value"] for tag in description.get("Tags", [])}
            if (tags.get("stack"), tags.get("run")) == (stack, run_id):
                yield cluster["Id"]
