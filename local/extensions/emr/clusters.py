"""EMR clusters: gives MiniStack's records of clusters and steps a lifecycle with EMR's rules.

MiniStack keeps serving the API. The extension validates the requests that create, change, or
terminate a cluster or a step, and passes them to the cluster's lifecycle.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from local.extensions.emr import permissions
from local.extensions.emr.cluster_lifecycle import USER_REQUEST, ClusterLifecycle, Record, set_state
from local.extensions.emr.instance_profiles import get_profile_role_arn, get_role_arn
from local.extensions.emr.steps import Step
from local.extensions.emr.validation import (
    ValidationError,
    check_new_cluster,
    check_step_concurrency,
    check_steps,
)
from local.extensions.patching.clients import AssumeRoleError, check_trust
from local.extensions.patching.patches import add_entry, replace, resolve
from local.extensions.patching.responses import Response, error_response, success_response
from local.extensions.patching.shutdown import on_shutdown

_EMR = "ministack.services.emr"
START_SECONDS = "LOCAL_EMR_START_SECONDS"
"""Environment variable: how long a cluster takes to start, in seconds."""

_DEFAULT_START_SECONDS = 1.0

_lifecycles: dict[str, ClusterLifecycle] = {}
_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Replace the API calls that create, change, or terminate clusters and steps."""
    permissions.install()
    _originals["step"] = replace(_EMR, "_make_step", _create_step_record, ("step_config",))
    for action, original, handler in (
        ("RunJobFlow", "_run_job_flow", _run_job_flow),
        ("ModifyCluster", "_modify_cluster", _modify_cluster),
        ("SetTerminationProtection", "_set_termination_protection", _set_protection),
        ("TerminateJobFlows", "_terminate_job_flows", _terminate_job_flows),
        ("AddJobFlowSteps", "_add_job_flow_steps", _add_job_flow_steps),
        ("CancelSteps", "_cancel_steps", _cancel_steps),
    ):
        _originals[action] = resolve(_EMR, original, ("data",))
        add_entry(_EMR, "_HANDLERS", action, _with_error_response(handler))
    on_shutdown(_kill_all_steps)


def _with_error_response(handler: Callable[[Record], Response]) -> Callable[[Record], Response]:
    """Wrap an API call so that it responds to an invalid request with EMR's error."""

    def handle(data: Record) -> Response:
        try:
            return handler(data)
        except ValidationError as error:
            return error_response(error.code, str(error))

    return handle


def _run_job_flow(data: Record) -> Response:
    check_new_cluster(data)
    service_role = get_role_arn(data["ServiceRole"])
    instance_role = get_profile_role_arn(data["JobFlowRole"])
    if service_role is None:
        raise ValidationError(f"Invalid ServiceRole: {data['ServiceRole']}.")
    if instance_role is None:
        raise ValidationError(f"Invalid InstanceProfile: {data['JobFlowRole']}.")
    response: Response = _originals["RunJobFlow"](data)
    cluster_id = json.loads(response[2])["JobFlowId"]
    record = resolve(_EMR, "_clusters")[cluster_id]
    instances = data["Instances"]
    record |= {
        "Configurations": data.get("Configurations", []),
        "RequestedEc2SubnetIds": instances.get("Ec2SubnetIds", []),
        **{name: data[name] for name in ("SecurityConfiguration",) if name in data},
    }
    if instances.get("Ec2SubnetIds"):
        record["Ec2InstanceAttributes"]["Ec2SubnetId"] = instances["Ec2SubnetIds"][0]
    record["Status"] = {"State": "", "Timeline": {}}
    set_state(record, "STARTING", CreationDateTime=time.time())

    def check_start() -> str:
        try:
            check_trust(
                service_role, "elasticmapreduce.amazonaws.com", sourcearn=record["ClusterArn"]
            )
            check_trust(instance_role, "ec2.amazonaws.com")
        except AssumeRoleError as error:
            return str(error)
        return ""

    lifecycle = ClusterLifecycle(
        record,
        resolve(_EMR, "_steps")[cluster_id],
        Step,
        check_start,
        float(os.environ.get(START_SECONDS, _DEFAULT_START_SECONDS)),
        data.get("AutoTerminationPolicy", {}).get("IdleTimeout"),
    )
    _lifecycles[cluster_id] = lifecycle
    threading.Thread(target=lifecycle.run, name=f"emr-{cluster_id}", daemon=True).start()
    return response


def _create_step_record(step_config: Record) -> Record:
    step: Record = _originals["step"](step_config)
    step["Status"] = {"State": "", "Timeline": {}}
    set_state(step, "PENDING", CreationDateTime=time.time())
    return step


def _add_job_flow_steps(data: Record) -> Response:
    lifecycle = _get_lifecycle(data.get("JobFlowId", ""))
    with lifecycle.changing():
        lifecycle.check_open()
        record = resolve(_EMR, "_clusters")[data["JobFlowId"]]
        check_steps(data.get("Steps", []), record["StepConcurrencyLevel"])
        response: Response = _originals["AddJobFlowSteps"](data)
    return response


def _modify_cluster(data: Record) -> Response:
    lifecycle = _get_lifecycle(data.get("ClusterId", ""))
    check_step_concurrency(data.get("StepConcurrencyLevel", 1))
    with lifecycle.changing():
        lifecycle.check_open()
        response: Response = _originals["ModifyCluster"](data)
    return response


def _set_protection(data: Record) -> Response:
    lifecycles = [_get_lifecycle(cluster_id) for cluster_id in data.get("JobFlowIds", [])]
    response: Response = _originals["SetTerminationProtection"](data)
    for lifecycle in lifecycles:
        with lifecycle.changing():
            pass  # wake the cluster: it may have to terminate because it is idle
    return response


def _terminate_job_flows(data: Record) -> Response:
    lifecycles = {
        cluster_id: _get_lifecycle(cluster_id) for cluster_id in data.get("JobFlowIds", [])
    }
    clusters = resolve(_EMR, "_clusters")
    if any(clusters[cluster_id]["TerminationProtected"] for cluster_id in lifecycles):
        raise ValidationError(
            "Could not shut down one or more job flows since they are termination protected."
        )
    for lifecycle in lifecycles.values():
        lifecycle.terminate(USER_REQUEST)
    return success_response({})


def _cancel_steps(data: Record) -> Response:
    lifecycle = _get_lifecycle(data.get("ClusterId", ""))
    option = data.get("StepCancellationOption", "SEND_INTERRUPT")
    if option not in ("SEND_INTERRUPT", "TERMINATE_PROCESS"):
        raise ValidationError(f"{option} is not a valid StepCancellationOption.")
    infos = []
    for step_id in data.get("StepIds", []):
        problem = lifecycle.cancel_step(step_id, kill=option == "TERMINATE_PROCESS")
        infos.append(
            {"StepId": step_id, "Status": "FAILED", "Reason": problem}
            if problem
            else {"StepId": step_id, "Status": "SUBMITTED"}
        )
    return success_response({"CancelStepsInfoList": infos})


def _get_lifecycle(cluster_id: str) -> ClusterLifecycle:
    # MiniStack's table only shows the clusters of the current account and region.
    if cluster_id not in resolve(_EMR, "_clusters") or cluster_id not in _lifecycles:
        raise ValidationError("Specified job flow ID does not exist.")
    return _lifecycles[cluster_id]


def _kill_all_steps() -> None:
    for lifecycle in _lifecycles.values():
        lifecycle.kill_steps()
