"""EMR service integrations of Step Functions: the calls they make, and what `.sync` waits for."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from tenacity import Retrying, retry_if_exception, retry_if_result, wait_fixed

from local.extensions.patching.responses import to_json_value
from local.extensions.stepfunctions.executions import check_running, create_task_error

_POLL_SECONDS = 0.25
_FINAL_STEP_STATES = {"COMPLETED", "FAILED", "CANCELLED", "INTERRUPTED"}
_FINAL_CLUSTER_STATES = {"TERMINATED", "TERMINATED_WITH_ERRORS"}
_THROTTLING_CODES = {"ThrottlingException", "Throttling"}

Arguments = dict[str, Any]


def create_cluster(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """Run `createCluster` and return the new cluster's ID and ARN."""
    response = emr.run_job_flow(**arguments)
    return {"ClusterId": response["JobFlowId"], "ClusterArn": response["ClusterArn"]}


def create_cluster_sync(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """Run `createCluster.sync` and return the cluster's ID and ARN when it is ready for steps."""
    if not arguments.get("Instances", {}).get("KeepJobFlowAliveWhenNoSteps"):
        raise create_task_error(
            "States.Runtime", "Instances.KeepJobFlowAliveWhenNoSteps must be true."
        )
    if "Steps" in arguments:
        raise create_task_error(
            "States.Runtime", "The field 'Steps' is not supported by Step Functions."
        )
    result = create_cluster(emr, arguments)
    ready_or_final = {"WAITING", "RUNNING"} | _FINAL_CLUSTER_STATES
    cluster = _wait_for_cluster(emr, result["ClusterId"], ready_or_final)
    if cluster["Status"]["State"] in _FINAL_CLUSTER_STATES:
        raise create_task_error("States.TaskFailed", json.dumps(cluster))
    return result


def add_step(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """Run `addStep` and return the new step's ID."""
    optional = {name: value for name, value in arguments.items() if name == "ExecutionRoleArn"}
    response = emr.add_job_flow_steps(
        JobFlowId=arguments["ClusterId"], Steps=[arguments["Step"]], **optional
    )
    return {"StepId": response["StepIds"][0]}


def add_step_sync(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """Run `addStep.sync` and return the completed step.

    The task fails if the step ends in any other state.
    """
    step_id = add_step(emr, arguments)["StepId"]

    def describe() -> dict[str, Any]:
        response = emr.describe_step(ClusterId=arguments["ClusterId"], StepId=step_id)
        return _to_json(response["Step"])

    step = _wait_for_state(describe, _FINAL_STEP_STATES)
    if step["Status"]["State"] != "COMPLETED":
        raise create_task_error("States.TaskFailed", json.dumps(step))
    return {"Step": step}


def terminate_cluster(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """Run `terminateCluster`, which returns nothing and does not wait."""
    emr.terminate_job_flows(JobFlowIds=[arguments["ClusterId"]])
    return {}


def terminate_cluster_sync(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """Run `terminateCluster.sync` and return the terminated cluster."""
    terminate_cluster(emr, arguments)
    return {"Cluster": _wait_for_cluster(emr, arguments["ClusterId"], _FINAL_CLUSTER_STATES)}


def cancel_step(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """Run `cancelStep` and return whether EMR accepted the cancellation."""
    response = emr.cancel_steps(ClusterId=arguments["ClusterId"], StepIds=[arguments["StepId"]])
    return {"CancelStepsInfo": response["CancelStepsInfoList"][0]}


TASKS: dict[str, Callable[[Any, Arguments], dict[str, Any]]] = {
    "createCluster": create_cluster,
    "createCluster.sync": create_cluster_sync,
    "addStep": add_step,
    "addStep.sync": add_step_sync,
    "terminateCluster": terminate_cluster,
    "terminateCluster.sync": terminate_cluster_sync,
    "cancelStep": cancel_step,
}
"""The supported integrations, by the last part of a task's resource."""


def _wait_for_cluster(emr: Any, cluster_id: str, states: set[str]) -> dict[str, Any]:
    return _wait_for_state(
        lambda: _to_json(emr.describe_cluster(ClusterId=cluster_id)["Cluster"]), states
    )


def _wait_for_state(describe: Callable[[], dict[str, Any]], states: set[str]) -> dict[str, Any]:
    """Poll until the cluster or step is in one of the states, and return its description.

    As on AWS, only the timeouts of the task and of the execution limit the wait.
    """

    def describe_while_running() -> dict[str, Any]:
        check_running()
        return describe()

    wait = Retrying(
        wait=wait_fixed(_POLL_SECONDS),
        retry=retry_if_result(lambda description: description["Status"]["State"] not in states)
        | retry_if_exception(_is_throttled),
    )
    return wait(describe_while_running)


def _is_throttled(error: BaseException) -> bool:
    return isinstance(error, ClientError) and error.response["Error"].get("Code") in (
        _THROTTLING_CODES
    )


def _to_json(description: dict[str, Any]) -> dict[str, Any]:
    converted: dict[str, Any] = to_json_value(description, _to_milliseconds)
    return converted


def _to_milliseconds(timestamp: datetime) -> int:
    """Convert a timestamp to milliseconds since 1970, as these integrations do."""
    return int(timestamp.timestamp() * 1000)
