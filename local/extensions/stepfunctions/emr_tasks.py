"""Step Functions' own integrations of EMR: what each calls, and what `.sync` waits for."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from tenacity import Retrying, retry_if_exception, retry_if_result, wait_fixed

from local.extensions.patching.responses import plain_json
from local.extensions.stepfunctions.executions import check_running, failure

_POLL_SECONDS = 0.25
_STEP_OVER = {"COMPLETED", "FAILED", "CANCELLED", "INTERRUPTED"}
_CLUSTER_OVER = {"TERMINATED", "TERMINATED_WITH_ERRORS"}
_THROTTLED = {"ThrottlingException", "Throttling"}

Arguments = dict[str, Any]


def create_cluster(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """`createCluster`: the new cluster's id."""
    answer = emr.run_job_flow(**arguments)
    return {"ClusterId": answer["JobFlowId"], "ClusterArn": answer["ClusterArn"]}


def create_cluster_sync(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """`createCluster.sync`: the id, once the cluster waits for steps."""
    if not arguments.get("Instances", {}).get("KeepJobFlowAliveWhenNoSteps"):
        raise failure("States.Runtime", "Instances.KeepJobFlowAliveWhenNoSteps has to be true.")
    if "Steps" in arguments:
        raise failure("States.Runtime", "The field 'Steps' is not supported by Step Functions.")
    made = create_cluster(emr, arguments)
    cluster = _wait_for_cluster(emr, made["ClusterId"], {"WAITING", "RUNNING"} | _CLUSTER_OVER)
    if cluster["Status"]["State"] in _CLUSTER_OVER:
        raise failure("States.TaskFailed", json.dumps(cluster))
    return made


def add_step(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """`addStep`: the step's id."""
    more = {name: value for name, value in arguments.items() if name == "ExecutionRoleArn"}
    answer = emr.add_job_flow_steps(
        JobFlowId=arguments["ClusterId"], Steps=[arguments["Step"]], **more
    )
    return {"StepId": answer["StepIds"][0]}


def add_step_sync(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """`addStep.sync`: the step, once it is completed; any other end fails the task."""
    step_id = add_step(emr, arguments)["StepId"]

    def look() -> dict[str, Any]:
        answer = emr.describe_step(ClusterId=arguments["ClusterId"], StepId=step_id)
        return _plain_dict(answer["Step"])

    step = _wait_until(look, _STEP_OVER)
    if step["Status"]["State"] != "COMPLETED":
        raise failure("States.TaskFailed", json.dumps(step))
    return {"Step": step}


def terminate_cluster(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """`terminateCluster`: nothing, at once."""
    emr.terminate_job_flows(JobFlowIds=[arguments["ClusterId"]])
    return {}


def terminate_cluster_sync(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """`terminateCluster.sync`: the cluster, once it is gone."""
    terminate_cluster(emr, arguments)
    return {"Cluster": _wait_for_cluster(emr, arguments["ClusterId"], _CLUSTER_OVER)}


def cancel_step(emr: Any, arguments: Arguments) -> dict[str, Any]:
    """`cancelStep`: whether EMR will cancel it."""
    answer = emr.cancel_steps(ClusterId=arguments["ClusterId"], StepIds=[arguments["StepId"]])
    return {"CancelStepsInfo": answer["CancelStepsInfoList"][0]}


TASKS: dict[str, Callable[[Any, Arguments], dict[str, Any]]] = {
    "createCluster": create_cluster,
    "createCluster.sync": create_cluster_sync,
    "addStep": add_step,
    "addStep.sync": add_step_sync,
    "terminateCluster": terminate_cluster,
    "terminateCluster.sync": terminate_cluster_sync,
    "cancelStep": cancel_step,
}


def _wait_for_cluster(emr: Any, cluster_id: str, states: set[str]) -> dict[str, Any]:
    return _wait_until(
        lambda: _plain_dict(emr.describe_cluster(ClusterId=cluster_id)["Cluster"]), states
    )


def _wait_until(look: Callable[[], dict[str, Any]], states: set[str]) -> dict[str, Any]:
    """What is there when it has come to one of the states.

    No limit of its own: the task's time-out and the execution's end are the limit, as on AWS.
    """

    def look_while_running() -> dict[str, Any]:
        check_running()
        return look()

    wait = Retrying(
        wait=wait_fixed(_POLL_SECONDS),
        retry=retry_if_result(lambda found: found["Status"]["State"] not in states)
        | retry_if_exception(_is_throttled),
    )
    return wait(look_while_running)


def _is_throttled(error: BaseException) -> bool:
    return isinstance(error, ClientError) and error.response["Error"].get("Code") in _THROTTLED


def _plain_dict(value: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = plain_json(value, _milliseconds)
    return plain


def _milliseconds(moment: datetime) -> int:
    """A time as these integrations write it."""
    return int(moment.timestamp() * 1000)
