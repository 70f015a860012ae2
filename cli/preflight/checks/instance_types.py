"""Whether EMR supports the instance types, and EC2 offers them in the zone of the subnet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cli.check_results import CheckResult, fail, ok, warn
from cli.preflight.plan import Plan
from cli.target.account import Account

SUBJECT = "instance types"
# The executors and the application masters of two jobs at once, as tests/infra computes them, fit
# into the share of YARN on a worker of this size.
_MIN_WORKER_GIB = 16


@dataclass(frozen=True)
class InstanceType:
    """An instance type that EMR supports.

    Attributes:
        name: Name of the type.
        vcpus: Number of its vCPUs, which count toward the quotas of EC2.
        memory_gib: Its memory in GiB.
    """

    name: str
    vcpus: int
    memory_gib: float


def list_instance_types(account: Account, plan: Plan) -> dict[str, InstanceType]:
    """Return the instance types of the plan that EMR supports, by name."""
    emr, request = account.client("emr"), {"ReleaseLabel": plan.parameters["EmrRelease"]}
    found: dict[str, InstanceType] = {}
    marker = ""
    while True:
        response: dict[str, Any] = emr.list_supported_instance_types(
            **request, **({"Marker": marker} if marker else {})
        )
        for item in response["SupportedInstanceTypes"]:
            if item["Type"] in plan.instance_types:
                found[item["Type"]] = InstanceType(item["Type"], item["VCPU"], item["MemoryGB"])
        marker = response.get("Marker", "")
        if not marker:
            return found


def check_instance_types(
    account: Account, plan: Plan, supported: dict[str, InstanceType], zone: str
) -> Iterator[CheckResult]:
    """Check both instance types.

    Args:
        account: The account.
        plan: The planned deployment.
        supported: The instance types of the plan that EMR supports, by name.
        zone: The Availability Zone of the subnet. Empty if it is unknown.
    """
    names = list(dict.fromkeys(plan.instance_types))
    problems = [
        fail(
            SUBJECT,
            f"{plan.parameters['EmrRelease']} does not support {name} in {account.region}: choose"
            " another type",
        )
        for name in names
        if name not in supported
    ]
    for name in names if zone else []:
        zones = _list_zones(account, name)
        if zone not in zones:
            problems.append(
                fail(
                    SUBJECT,
                    f"EC2 does not offer {name} in {zone}, the zone of the subnet: choose another"
                    f" type, or a subnet in {' or '.join(zones) or 'another region'}",
                )
            )
    yield from problems
    worker = supported.get(plan.instance_types[1])
    if worker and worker.memory_gib < _MIN_WORKER_GIB:
        yield warn(
            SUBJECT,
            f"a worker of type {worker.name} has {worker.memory_gib:g} GiB of memory, too little"
            f" for both jobs at once: choose a type with {_MIN_WORKER_GIB} GiB or more",
        )
    elif not problems:
        place = f" in {zone}" if zone else ""
        yield ok(SUBJECT, f"{' and '.join(names)} can be used{place}")


def _list_zones(account: Account, name: str) -> list[str]:
    """Return the zones of the region that offer an instance type."""
    pages = (
        account.client("ec2")
        .get_paginator("describe_instance_type_offerings")
        .paginate(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": [name]}]
        )
    )
    return sorted(item["Location"] for page in pages for item in page["InstanceTypeOfferings"])
