"""The service-linked roles of EMR and of Spot: they exist, or the first run may create them."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.exceptions import ClientError

from cli.check_results import CheckResult, fail, ok
from cli.preflight.cluster_size import get_largest_size
from cli.preflight.plan import Plan
from cli.target.account import Account
from pipeline.aws.clients import error_code

SUBJECT = "service-linked roles"
_CREATE_ROLE = "iam:CreateServiceLinkedRole"
_EMR = ("AWSServiceRoleForEMRCleanup", "elasticmapreduce.amazonaws.com")
_SPOT = ("AWSServiceRoleForEC2Spot", "spot.amazonaws.com")


def check_service_roles(account: Account, plan: Plan) -> Iterator[CheckResult]:
    """Check the roles that the clusters of the plan use."""
    uses_spot = get_largest_size(plan).spot_workers > 0
    roles = [_EMR, _SPOT] if uses_spot else [_EMR]
    missing = [(role, service) for role, service in roles if not _exists(account, role)]
    if not missing:
        yield ok(SUBJECT, "all exist")
        return
    names = " and ".join(role for role, _ in missing)
    if _organization_allows(account):
        yield ok(SUBJECT, f"the first run creates {names}")
        return
    for role, service in missing:
        yield fail(
            SUBJECT,
            f"{role} does not exist, and a policy of the organization denies {_CREATE_ROLE}: ask"
            " an administrator to run: aws iam create-service-linked-role --aws-service-name"
            f" {service}",
        )


def _exists(account: Account, role: str) -> bool:
    try:
        account.client("iam").get_role(RoleName=role)
    except ClientError as error:
        if error_code(error) == "NoSuchEntity":
            return False
        raise
    return True


def _organization_allows(account: Account) -> bool:
    """Return whether the service control policies of the organization allow creating the roles.

    The roles of the stack have the permission, but policies of the organization limit them too. The
    simulation for the caller shows whether they do. The root user cannot be simulated.
    """
    arn = _get_identity_arn(account)
    if arn is None:
        return True
    response = account.client("iam").simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=[_CREATE_ROLE]
    )
    return all(
        result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True)
        for result in response["EvaluationResults"]
    )


def _get_identity_arn(account: Account) -> str | None:
    """Return the ARN of the caller's user or role, or None for the root user."""
    resource = account.caller_arn.rpartition(":")[2]
    if resource == "root":
        return None
    if not resource.startswith("assumed-role/"):
        return account.caller_arn
    # The ARN of a role session lacks the path of the role.
    name = resource.split("/")[1]
    return str(account.client("iam").get_role(RoleName=name)["Role"]["Arn"])
