"""What EMR refuses, and with which words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_RELEASE = re.compile(r"emr-(spark-)?\d+\.\d+\.\d+(-[A-Za-z0-9.]+)?")
_ACTIONS = ("TERMINATE_JOB_FLOW", "TERMINATE_CLUSTER", "CANCEL_AND_WAIT", "CONTINUE")
_SHORTEST_IDLE, _LONGEST_IDLE = 60, 604_800
_MOST_CONCURRENT_STEPS = 256
_SIMPLE_INSTANCES = ("MasterInstanceType", "SlaveInstanceType", "InstanceCount")

Request = Mapping[str, Any]


class ValidationError(Exception):
    """The request is refused; `code` is the error's name on the wire."""

    def __init__(self, message: str, code: str = "ValidationException") -> None:
        super().__init__(message)
        self.code = code


def check_new_cluster(request: Request) -> None:
    """RefusedError unless EMR would take the request for a cluster."""
    for name in ("Name", "Instances", "ServiceRole", "JobFlowRole"):
        if not request.get(name):
            raise ValidationError(f"{name} is required.")
    release = request.get("ReleaseLabel", "")
    if not _RELEASE.fullmatch(release):
        raise ValidationError(f"The supplied release label is invalid: {release}.")
    _check_instances(request["Instances"])
    level = request.get("StepConcurrencyLevel", 1)
    check_level(level)
    policy = request.get("AutoTerminationPolicy")
    if policy is not None:
        idle = policy.get("IdleTimeout", 0)
        if not _SHORTEST_IDLE <= idle <= _LONGEST_IDLE:
            raise ValidationError(
                f"The idle timeout must be between {_SHORTEST_IDLE} and {_LONGEST_IDLE} seconds, "
                f"and is {idle}."
            )
    check_steps(request.get("Steps", []), level)


def _check_instances(instances: Request) -> None:
    ways = [
        "InstanceFleets" in instances,
        "InstanceGroups" in instances,
        any(name in instances for name in _SIMPLE_INSTANCES),
    ]
    if sum(ways) != 1:
        raise ValidationError(
            "Exactly one of InstanceFleets, InstanceGroups, or instance types with a count "
            "has to be given."
        )
    for fleet in instances.get("InstanceFleets", []):
        capacity = fleet.get("TargetOnDemandCapacity", 0) + fleet.get("TargetSpotCapacity", 0)
        if capacity < 1:
            raise ValidationError(
                "At least one of TargetSpotCapacity and TargetOnDemandCapacity should be greater "
                f"than 0, and they are not for {fleet.get('InstanceFleetType')}."
            )
    roles = [fleet.get("InstanceFleetType") for fleet in instances.get("InstanceFleets", [])]
    roles += [group.get("InstanceRole") for group in instances.get("InstanceGroups", [])]
    if roles and roles.count("MASTER") != 1:
        raise ValidationError("There has to be exactly one master instance fleet or group.")
    if "Ec2SubnetId" in instances and "Ec2SubnetIds" in instances:
        raise ValidationError("Ec2SubnetId and Ec2SubnetIds cannot be given together.")


def check_level(level: int) -> None:
    """RefusedError for a number of concurrent steps that no cluster has."""
    if not 1 <= level <= _MOST_CONCURRENT_STEPS:
        raise ValidationError(
            f"StepConcurrencyLevel has to be between 1 and {_MOST_CONCURRENT_STEPS}, "
            f"and is {level}."
        )


def check_steps(steps: Iterable[Request], level: int) -> None:
    """RefusedError unless a cluster with that StepConcurrencyLevel takes the steps."""
    for step in steps:
        if not step.get("Name") or not step.get("HadoopJarStep", {}).get("Jar"):
            raise ValidationError("A step needs a Name and a HadoopJarStep with a Jar.")
        action = step.get("ActionOnFailure", "CONTINUE")
        if action not in _ACTIONS:
            raise ValidationError(f"{action} is not a valid ActionOnFailure.")
        if level > 1 and action != "CONTINUE":
            raise ValidationError(
                f"ActionOnFailure {action} is not valid: with a StepConcurrencyLevel greater "
                "than 1 it has to be CONTINUE."
            )
