"""Whether the vCPU quotas of EC2 allow the clusters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from botocore.exceptions import ClientError

from cli.check_results import CheckResult, fail, ok, warn
from cli.preflight.checks.instance_types import InstanceType
from cli.preflight.cluster_size import get_largest_size, get_smallest_size
from cli.preflight.plan import Plan
from cli.target.account import Account
from pipeline.aws.clients import error_code

ON_DEMAND_SUBJECT = "On-Demand quota"
SPOT_SUBJECT = "Spot quota"
ON_DEMAND_QUOTA = "L-1216C47A"
SPOT_QUOTA = "L-34B43A08"
# The families that count toward the two quotas ("Amazon EC2 service quotas" in the EC2 User Guide).
# `im` and `is` are variants of I.
_STANDARD_FAMILIES = {"a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"}


def check_quotas(
    account: Account, plan: Plan, supported: dict[str, InstanceType]
) -> Iterator[CheckResult]:
    """Check the quotas for one small cluster, and for the most and largest ones.

    Args:
        account: The account.
        plan: The planned deployment.
        supported: The instance types of the plan that EMR supports, by name.
    """
    primary, worker = (supported.get(name) for name in plan.instance_types)
    if primary is None or worker is None:
        yield warn(ON_DEMAND_SUBJECT, "could not be checked, because an instance type is unknown")
        return
    special = [name for name in plan.instance_types if not _is_standard(name)]
    if special:
        yield warn(
            ON_DEMAND_SUBJECT,
            f"{special[0]} has a quota of its own: check it in the Service Quotas console",
        )
        return
    runs = plan.get_number("MaxConcurrentRuns")
    smallest, largest = get_smallest_size(plan), get_largest_size(plan)
    yield check_on_demand(
        _get_quota(account, ON_DEMAND_QUOTA),
        smallest.count_on_demand_vcpus(primary.vcpus, worker.vcpus),
        largest.count_on_demand_vcpus(primary.vcpus, worker.vcpus),
        runs,
    )
    spot = largest.count_spot_vcpus(worker.vcpus)
    if spot:
        yield check_spot(_get_quota(account, SPOT_QUOTA), spot, runs)


def check_on_demand(quota: int, smallest: int, largest: int, runs: int) -> CheckResult:
    """Return whether a quota is enough for On-Demand instances.

    Args:
        quota: The quota in vCPUs.
        smallest: vCPUs of the smallest cluster.
        largest: vCPUs of the largest cluster.
        runs: The maximum number of clusters at the same time.
    """
    total = largest * runs
    if quota < smallest:
        return fail(
            ON_DEMAND_SUBJECT,
            f"{quota} vCPUs, but the smallest cluster needs {smallest}, and {runs} runs of the"
            f" largest size need {total}: {_request_increase(ON_DEMAND_QUOTA, total)}",
        )
    if quota < total:
        return warn(
            ON_DEMAND_SUBJECT,
            f"{quota} vCPUs: enough for {quota // smallest} small or {quota // largest} of the"
            f" largest clusters, but {runs} can run at the same time ({total} vCPUs): request more,"
            " or reduce MaxConcurrentRuns or MaxWorkers",
        )
    return ok(
        ON_DEMAND_SUBJECT, f"{quota} vCPUs: enough for {runs} runs of the largest size ({total})"
    )


def check_spot(quota: int, largest: int, runs: int) -> CheckResult:
    """Return whether a quota is enough for Spot Instances.

    A small quota is no failure, because On-Demand instances replace missing Spot capacity.

    Args:
        quota: The quota in vCPUs.
        largest: Spot vCPUs of the largest cluster.
        runs: The maximum number of clusters at the same time.
    """
    total = largest * runs
    if quota < total:
        return warn(
            SPOT_SUBJECT,
            f"{quota} vCPUs, but {runs} runs of the largest size need {total}: On-Demand instances"
            f" replace what is missing after ten minutes; {_request_increase(SPOT_QUOTA, total)}",
        )
    return ok(SPOT_SUBJECT, f"{quota} vCPUs: enough for {runs} runs of the largest size ({total})")


def _is_standard(instance_type: str) -> bool:
    match = re.match(r"[a-z]+", instance_type)
    return match is not None and match[0] in _STANDARD_FAMILIES


def _request_increase(code: str, value: int) -> str:
    return (
        "aws service-quotas request-service-quota-increase --service-code ec2"
        f" --quota-code {code} --desired-value {value}"
    )


def _get_quota(account: Account, code: str) -> int:
    """Return the quota of the account, or the default if none was ever applied to the account."""
    quotas, request = account.client("service-quotas"), {"ServiceCode": "ec2", "QuotaCode": code}
    try:
        response = quotas.get_service_quota(**request)
    except ClientError as error:
        if error_code(error) != "NoSuchResourceException":
            raise
        response = quotas.get_aws_default_service_quota(**request)
    return int(response["Quota"]["Value"])
