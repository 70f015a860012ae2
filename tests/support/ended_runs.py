"""Clusters, steps and executions in states that moto does not come to by itself."""

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


def make_cluster(run_id: str | None, stack: str | None = STACK) -> str:
    """A cluster as CreateCluster makes it; moto has it WAITING at once. Its id."""
    tags = {"run": run_id, "stack": stack, "for-use-with-amazon-emr-managed-policies": "true"}
    return boto3.client("emr").run_job_flow(
        Name=f"{stack} {run_id}",
        Instances={"KeepJobFlowAliveWhenNoSteps": True, "InstanceCount": 1},
        Tags=[{"Key": key, "Value": value} for key, value in tags.items() if value],
    )["JobFlowId"]


def cluster_state(cluster_id: str) -> str:
    """The state of a cluster now."""
    return boto3.client("emr").describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"]


def made_long_ago(*cluster_ids: str) -> None:
    """Let the clusters have been made two days ago."""
    for cluster_id in cluster_ids:
        cluster: Any = _cluster(cluster_id)
        cluster.creation_datetime -= timedelta(days=2)


def name_cluster(cluster_id: str, name: str) -> None:
    """Give a cluster the id that an event names."""
    clusters = emr_backends[ACCOUNT][REGION].clusters
    clusters[name] = clusters.pop(cluster_id)
    clusters[name].id = name


def put_into(cluster_id: str, state: str, reason: dict[str, str] | None = None) -> None:
    """Put a cluster into a state, behind moto's API, which knows only some."""
    cluster: Any = _cluster(cluster_id)
    cluster.state = state
    if reason:
        status = {**MotoCluster.status.fget(cluster), "StateChangeReason": reason}  # type: ignore[attr-defined]
        # The class of this one object, so that no other cluster changes.
        cluster.__class__ = type("Cluster", (MotoCluster,), {"status": status})


def add_step(cluster_id: str, name: str, state: str, details: dict[str, str] | None = None) -> str:
    """A step in a state, with FailureDetails, which moto does not know. Its id."""
    (step_id,) = boto3.client("emr").add_job_flow_steps(
        JobFlowId=cluster_id,
        Steps=[{"Name": name, "HadoopJarStep": {"Jar": "command-runner.jar"}}],
    )["StepIds"]
    step: Any = next(step for step in _cluster(cluster_id).steps if step.id == step_id)
    step.state = state
    if details:
        status = {**step.status, "FailureDetails": details}
        step.__class__ = type("Step", (MotoStep,), {"status": status})
    return step_id


def _cluster(cluster_id: str) -> MotoCluster:
    return emr_backends[ACCOUNT][REGION].clusters[cluster_id]


def step_log_key(cluster_id: str, step_id: str) -> str:
    """Where EMR puts a step's stderr for our LogUri."""
    return f"logs/emr/{cluster_id}/steps/{step_id}/stderr.gz"


def step_log(*lines: str) -> bytes:
    """A step's stderr as EMR stores it."""
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)


def start_execution(state_machine_arn: str, run_id: str, content: str = "{}") -> str:
    """A running execution; its ARN."""
    return boto3.client("stepfunctions").start_execution(
        stateMachineArn=state_machine_arn, name=run_id, input=content
    )["executionArn"]


def end_execution(
    arn: str, status: str, error: str = "", cause: str = "", output: str | None = None
) -> None:
    """End an execution, behind moto's API, which can only abort one."""
    backend = stepfunctions_backends[ACCOUNT][REGION]
    execution = backend.describe_execution(arn)
    execution.stop()
    execution.status, execution.output = status, output
    execution.error, execution.cause = error, cause
