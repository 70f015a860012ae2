"""Lookup of the IAM roles and instance profiles that EMR requests name."""

from __future__ import annotations

from local.extensions.patching.patches import resolve

_IAM = "ministack.services.iam"


def get_role_arn(role: str) -> str | None:
    """Return the ARN of a role.

    Args:
        role: The role's name or ARN.

    Returns:
        The ARN, or `None` if the role does not exist.
    """
    record = resolve(_IAM, "_roles").get(role.rsplit("/", 1)[-1])
    return record["Arn"] if record else None


def get_profile_role_arn(profile: str) -> str | None:
    """Return the ARN of the role in an instance profile.

    Args:
        profile: The instance profile's name or ARN.

    Returns:
        The role's ARN, or `None` if the profile does not exist or has no role.
    """
    record = resolve(_IAM, "_instance_profiles").get(profile.rsplit("/", 1)[-1])
    return get_role_arn(record["Roles"][0]) if record and record["Roles"] else None
