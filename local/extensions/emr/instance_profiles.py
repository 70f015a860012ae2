"""The IAM roles that EMR is told by name or ARN."""

from __future__ import annotations

from local.extensions.patching.patches import resolve

_IAM = "ministack.services.iam"


def role_named(name: str) -> str | None:
    """The ARN of the role with that name or ARN; null if there is none."""
    role = resolve(_IAM, "_roles").get(name.rsplit("/", 1)[-1])
    return role["Arn"] if role else None


def role_of_profile(name: str) -> str | None:
    """The ARN of the role in the instance profile with that name or ARN; null if there is none."""
    profile = resolve(_IAM, "_instance_profiles").get(name.rsplit("/", 1)[-1])
    return role_named(profile["Roles"][0]) if profile and profile["Roles"] else None
