"""EMR's clusters: what MiniStack keeps as a record comes to life, by EMR's rules.

The calls stay MiniStack's, over HTTP and with IAM; those here are asked first what EMR would
refuse, and tell the cluster's life what is wanted of it.
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
from local.extensions.emr.instance_profiles import role_named, role_of_profile
from local.extensions.emr.steps import Step
from local.extensions.emr.validation import (
    ValidationError,
    check_level,
    check_new_cluster,
    check_steps,
)
from local.extensions.patching.clients import NotAssumableError, check_trust
from local.extensions.patching.patches import add_entry, replace, resolve
from local.extensions.patching.responses import Answer, accepted, refused
from local.extensions.patching.shutdown import on_shutdown

_EMR = "ministack.services.emr"
START_SECONDS = "LOCAL_EMR_START_SECONDS"
_USUAL_START = 1.0

_lives: dict[str, ClusterLifecycle] = {}
_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Take the calls that begin, change or end a cluster or a step."""
    permissions.install()
    _originals["step"] = replace(_EMR, "_make_step", _make_step, ("step_config",))
    for action, original, call in (
        ("RunJobFlow", "_run_job_flow", _run_job_flow),
        ("ModifyCluster", "_modify_cluster", _modify_cluster),
        ("SetTerminationProtection", "_set_termination_protection", _set_protection),
        ("TerminateJobFlows", "_terminate_job_flows", _terminate_job_flows),
        ("AddJobFlowSteps", "_add_job_flow_steps", _add_job_flow_steps),
        ("CancelSteps", "_cancel_steps", _cancel_steps),
    ):
        _originals[action] = resolve(_EMR, original, ("data",))
        add_entry(_EMR, "_HANDLERS", action, _refusing(call))
    on_shutdown(_kill_all)


def _refusing(call: Callable[[Record], Answer]) -> Callable[[Record], Answer]:
    def answer(data: Record) -> Answer:
        try:
            return call(data)
        except ValidationError as error:
            return refused(error.code, str(error))

    return answer


def _run_job_flow(data: Record) -> Answer:
    check_new_cluster(data)
    service_role = role_named(data["ServiceRole"])
    instance_role = role_of_profile(data["JobFlowRole"])
    if service_role is None:
        raise ValidationError(f"Invalid ServiceRole: {data['ServiceRole']}.")
    if instance_role is None:
        raise ValidationError(f"Invalid InstanceProfile: {data['JobFlowRole']}.")
    answer: Answer = _originals["RunJobFlow"](data)
    cluster_id = json.loads(answer[2])["JobFlowId"]
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
        except NotAssumableError as error:
            return str(error)
        return ""

    life = ClusterLifecycle(
        record,
        resolve(_EMR, "_steps")[cluster_id],
        Step,
        check_start,
        float(os.environ.get(START_SECONDS, _USUAL_START)),
        data.get("AutoTerminationPolicy", {}).get("IdleTimeout"),
    )
    _lives[cluster_id] = life
    threading.Thread(target=life.live, name=f"emr-{cluster_id}", daemon=True).start()
    return answer


def _make_step(step_config: Record) -> Record:
    step: Record = _originals["step"](step_config)
    step["Status"] = {"State": "", "Timeline": {}}
    set_state(step, "PENDING", CreationDateTime=time.time())
    return step


def _add_job_flow_steps(data: Record) -> Answer:
    life = _life(data.get("JobFlowId", ""))
    with life.changing():
        life.require_open()
        record = resolve(_EMR, "_clusters")[data["JobFlowId"]]
        check_steps(data.get("Steps", []), record["StepConcurrencyLevel"])
        answer: Answer = _originals["AddJobFlowSteps"](data)
    return answer


def _modify_cluster(data: Record) -> Answer:
    life = _life(data.get("ClusterId", ""))
    check_level(data.get("StepConcurrencyLevel", 1))
    with life.changing():
        life.require_open()
        answer: Answer = _originals["ModifyCluster"](data)
    return answer


def _set_protection(data: Record) -> Answer:
    lives = [_life(cluster_id) for cluster_id in data.get("JobFlowIds", [])]
    answer: Answer = _originals["SetTerminationProtection"](data)
    for life in lives:
        with life.changing():
            pass  # whether it may end when idle has changed
    return answer


def _terminate_job_flows(data: Record) -> Answer:
    lives = {cluster_id: _life(cluster_id) for cluster_id in data.get("JobFlowIds", [])}
    clusters = resolve(_EMR, "_clusters")
    if any(clusters[cluster_id]["TerminationProtected"] for cluster_id in lives):
        raise ValidationError(
            "Could not shut down one or more job flows since they are termination protected."
        )
    for life in lives.values():
        life.end(USER_REQUEST)
    return accepted({})


def _cancel_steps(data: Record) -> Answer:
    life = _life(data.get("ClusterId", ""))
    way = data.get("StepCancellationOption", "SEND_INTERRUPT")
    if way not in ("SEND_INTERRUPT", "TERMINATE_PROCESS"):
        raise ValidationError(f"{way} is not a valid StepCancellationOption.")
    infos = []
    for step_id in data.get("StepIds", []):
        problem = life.cancel(step_id, kill=way == "TERMINATE_PROCESS")
        infos.append(
            {"StepId": step_id, "Status": "FAILED", "Reason": problem}
            if problem
            else {"StepId": step_id, "Status": "SUBMITTED"}
        )
    return accepted({"CancelStepsInfoList": infos})


def _life(cluster_id: str) -> ClusterLifecycle:
    # Asked of MiniStack first: a cluster is known in its own account and region alone.
    if cluster_id not in resolve(_EMR, "_clusters") or cluster_id not in _lives:
        raise ValidationError("Specified job flow ID does not exist.")
    return _lives[cluster_id]


def _kill_all() -> None:
    for life in _lives.values():
        life.kill_steps()
