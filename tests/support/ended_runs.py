"""Clusters, steps, and executions in states that moto cannot reach through its API."""

from __future__ import annotations

import gzip
from datetime import timedelta
from typing import Any

import boto3
from moto.emr.models import Cluster as MotoCluster
from moto.emr.models import Step as MotoStep
from moto.emr.models import emr_backends
from moto.stepfunctions.models import stepfunctions_backends

ACCOUNT = "123456789012"
REGION = "eu-west-1"
STACK = "rental-kpi"


def create_cluster(run_id: str | None, stack: str | None = STACK) -> str:
    """Create a cluster as the state CreateCluster does, and return its ID.

    In moto, its state is WAITING at once.

    Args:
        run_id: Value of the tag `run`, or None for a cluster without the tag.
        stack: Value of the tag `stack`, or None for a cluster without the tag.
    """
    tags = {"run": run_id, "stack": stack, "for-use-with-amazon-emr-managed-policies": "true"}
    return boto3.client("emr").run_job_flow(
        Name=f"{stack} {run_id}",
        Instances={"KeepJobFlowAliveWhenNoSteps": True, "InstanceCount": 1},
        Tags=[{"Key": key, "Value": value} for key, value in tags.items() if value],
    )["JobFlowId"]


def get_cluster_state(cluster_id: str) -> str:
    """Return the current state of a cluster."""
    return boto3.client("emr").describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"]


def backdate_clusters(*cluster_ids: str) -> None:
    """Set the creation time of the clusters to two days earlier."""
    for cluster_id in cluster_ids:
        cluster: Any = _get_cluster(cluster_id)
        cluster.creation_datetime -= timedelta(days=2)


def set_cluster_id(cluster_id: str, new_id: str) -> None:
    """Change the ID of a cluster to the one in an event."""
    clusters = emr_backends[ACCOUNT][REGION].clusters
    clusters[new_id] = clusters.pop(cluster_id)
    clusters[new_id].id = new_id


def set_cluster_state(cluster_id: str, state: str, reason: dict[str, str] | None = None) -> None:
    """Set the state of a cluster, and optionally its `StateChangeReason`.

    The API of moto does not support all states.
    """
    cluster: Any = _get_cluster(cluster_id)
    cluster.state = state
    if reason:
        status = {**MotoCluster.status.fget(cluster), "StateChangeReason": reason}  # type: ignore[attr-defined]
        # Replaces the class of this object only, so that other clusters do not change.
        cluster.__class__ = type("Cluster", (MotoCluster,), {"status": status})


def add_step(cluster_id: str, name: str, state: str, details: dict[str, str] | None = None) -> str:
    """Add a step in a state, and return its ID.

    Args:
        cluster_id: ID of the cluster.
        name: Name of the step.
        state: State of the step.
        details: `FailureDetails` of the step, which moto does not support.
    """
    (step_id,) = boto3.client("emr").add_job_flow_steps(
        JobFlowId=cluster_id,
        Steps=[{"Name": name, "HadoopJarStep": {"Jar": "command-runner.jar"}}],
    )["StepIds"]
    step: Any = next(step for step in _get_cluster(cluster_id).steps if step.id == step_id)
    step.state = state
    if details:
        status = {**step.status, "FailureDetails": details}
        step.__class__ = type("Step", (MotoStep,), {"status": status})
    return step_id


def _get_cluster(cluster_id: str) -> MotoCluster:
    return emr_backends[ACCOUNT][REGION].clusters[cluster_id]


def step_log_key(cluster_id: str, step_id: str) -> str:
    """Return the key of the object in which EMR stores stderr of a step."""
    return f"logs/emr/{cluster_id}/steps/{step_id}/stderr.gz"


def compress_log(*lines: str) -> bytes:
    """Return the log of a step as EMR stores it."""
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)


def start_execution(state_machine_arn: str, run_id: str, execution_input: str = "{}") -> str:
    """Start an execution and return its ARN."""
    return boto3.client("stepfunctions").start_execution(
        stateMachineArn=state_machine_arn, name=run_id, input=execution_input
    )["executionArn"]


def end_execution(
    arn: str, status: str, error: str = "", cause: str = "", output: str | None = None
) -> None:
    """End an execution with a status. The API of moto can only abort executions."""
    backend = stepfunctions_backends[ACCOUNT][REGION]
    execution = backend.describe_execution(arn)
    execution.stop()
    execution.status, execution.output = status, output
    execution.error, execution.cause = error, cause
