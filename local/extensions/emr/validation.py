"""Validation of EMR requests, with EMR's error messages where they are known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_RELEASE_LABEL = re.compile(r"emr-(spark-)?\d+\.\d+\.\d+(-[A-Za-z0-9.]+)?")
_ACTIONS_ON_FAILURE = ("TERMINATE_JOB_FLOW", "TERMINATE_CLUSTER", "CANCEL_AND_WAIT", "CONTINUE")
_MIN_IDLE_SECONDS, _MAX_IDLE_SECONDS = 60, 604_800
_MAX_STEP_CONCURRENCY = 256
_INSTANCE_COUNT_FIELDS = ("MasterInstanceType", "SlaveInstanceType", "InstanceCount")

Request = Mapping[str, Any]


class ValidationError(Exception):
    """EMR rejects the request. `code` is the error code of the response."""

    def __init__(self, message: str, code: str = "ValidationException") -> None:
        super().__init__(message)
        self.code = code


def check_new_cluster(request: Request) -> None:
    """Check the arguments of RunJobFlow.

    Raises:
        ValidationError: EMR would reject the request.
    """
    for name in ("Name", "Instances", "ServiceRole", "JobFlowRole"):
        if not request.get(name):
            raise ValidationError(f"{name} is required.")
    release = request.get("ReleaseLabel", "")
    if not _RELEASE_LABEL.fullmatch(release):
        raise ValidationError(f"The supplied release label is invalid: {release}.")
    _check_instances(request["Instances"])
    concurrency = request.get("StepConcurrencyLevel", 1)
    check_step_concurrency(concurrency)
    policy = request.get("AutoTerminationPolicy")
    if policy is not None:
        idle_seconds = policy.get("IdleTimeout", 0)
        if not _MIN_IDLE_SECONDS <= idle_seconds <= _MAX_IDLE_SECONDS:
            raise ValidationError(
                f"The idle timeout must be between {_MIN_IDLE_SECONDS} and {_MAX_IDLE_SECONDS} "
                f"seconds, but is {idle_seconds}."
            )
    check_steps(request.get("Steps", []), concurrency)


def _check_instances(instances: Request) -> None:
    alternatives = [
        "InstanceFleets" in instances,
        "InstanceGroups" in instances,
        any(name in instances for name in _INSTANCE_COUNT_FIELDS),
    ]
    if sum(alternatives) != 1:
        raise ValidationError(
            "Exactly one of InstanceFleets, InstanceGroups, or instance types with a count "
            "must be specified."
        )
    for fleet in instances.get("InstanceFleets", []):
        capacity = fleet.get("TargetOnDemandCapacity", 0) + fleet.get("TargetSpotCapacity", 0)
        if capacity < 1:
            raise ValidationError(
                "At least one of TargetSpotCapacity and TargetOnDemandCapacity must be greater "
                f"than 0 for the instance fleet {fleet.get('InstanceFleetType')}."
            )
    roles = [fleet.get("InstanceFleetType") for fleet in instances.get("InstanceFleets", [])]
    roles += [group.get("InstanceRole") for group in instances.get("InstanceGroups", [])]
    if roles and roles.count("MASTER") != 1:
        raise ValidationError("There must be exactly one master instance fleet or group.")
    if "Ec2SubnetId" in instances and "Ec2SubnetIds" in instances:
        raise ValidationError("Ec2SubnetId and Ec2SubnetIds cannot both be specified.")


def check_step_concurrency(level: int) -> None:
    """Check a StepConcurrencyLevel.

    Raises:
        ValidationError: The level is out of range.
    """
    if not 1 <= level <= _MAX_STEP_CONCURRENCY:
        raise ValidationError(
            f"StepConcurrencyLevel must be between 1 and {_MAX_STEP_CONCURRENCY}, but is {level}."
        )


def check_steps(steps: Iterable[Request], concurrency: int) -> None:
    """Check the steps of RunJobFlow or AddJobFlowSteps.

    Args:
        steps: The steps to add.
        concurrency: The cluster's StepConcurrencyLevel.

    Raises:
        ValidationError: EMR would reject one of the steps.
    """
    for step in steps:
        if not step.get("Name") or not step.get("HadoopJarStep", {}).get("Jar"):
            raise ValidationError("A step must have a Name and a HadoopJarStep with a Jar.")
        action = step.get("ActionOnFailure", "CONTINUE")
        if action not in _ACTIONS_ON_FAILURE:
            raise ValidationError(f"{action} is not a valid ActionOnFailure.")
        if concurrency > 1 and action != "CONTINUE":
            raise ValidationError(
                f"ActionOnFailure {action} is not valid: it must be CONTINUE when the "
                "StepConcurrencyLevel is greater than 1."
            )
