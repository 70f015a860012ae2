"""What S3 does with a bucket's key it does as whoever asks, who therefore needs the key too.

MiniStack knows a bucket's key, and asks nobody for the right to use it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.additions.joint import found

# To read takes one right to the key, to write another; of parts S3 tells nobody here.
_TAKES = {
    "s3:GetObject": "kms:Decrypt",
    "s3:GetObjectVersion": "kms:Decrypt",
    "s3:PutObject": "kms:GenerateDataKey",
}


def refusal_of_key(
    decide: Callable[..., Any], access_key_id: str, action: str, region: str, object_arn: str
) -> Any:
    """What `decide` has against an action of S3 for the sake of its bucket's key; else None."""
    takes, key = _TAKES.get(action), _key_of(object_arn)
    if not takes or not key:
        return None
    via = {"kms:ViaService": f"s3.{region}.amazonaws.com"}
    denied = decide(access_key_id, takes, "kms", region, key, via)
    # A policy's refusal would be told as one of the action of S3.
    if hasattr(denied, "decision"):
        words = found("ministack.core.iam_actions", "identity_denial_message")
        told = words(takes, denied.principal_arn, key, denied.decision == "Deny")
        return found("ministack.core.iam_evaluator", "AuthError")("AccessDenied", told)
    return denied


def _key_of(object_arn: str) -> str | None:
    """The ARN of the key that the object's bucket encrypts with, if it has one."""
    bucket = object_arn.rpartition(":")[2].partition("/")[0]
    headers: dict[str, str] = found(
        "ministack.services.s3", "_bucket_default_sse_headers", ("bucket_name",)
    )(bucket)
    return headers.get("x-amz-server-side-encryption-aws-kms-key-id")
