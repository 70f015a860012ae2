"""What S3 does with a bucket's key it does as whoever asks, who therefore needs the key too.

MiniStack asks nobody for the right to use it, and CloudFormation there gives a bucket none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from local.extensions.patching.patches import replace, resolve

# To read takes one right to the key, to write another; of parts S3 tells nobody here.
_TAKES = {
    "s3:GetObject": "kms:Decrypt",
    "s3:GetObjectVersion": "kms:Decrypt",
    "s3:PutObject": "kms:GenerateDataKey",
}

_S3 = "ministack.services.s3"
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Replace what CloudFormation sets up in a bucket."""
    _originals["configure"] = replace(
        "ministack.services.cloudformation.provisioners",
        "_s3_apply_configurations",
        _configure,
        ("name", "props", "old_props"),
    )


def _configure(name: str, props: dict[str, Any], old_props: dict[str, Any] | None = None) -> None:
    _originals["configure"](name, props, old_props)
    for rule in props.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", []):
        encryption = Element("ServerSideEncryptionConfiguration", xmlns=_NAMESPACE)
        by_default = SubElement(
            SubElement(encryption, "Rule"), "ApplyServerSideEncryptionByDefault"
        )
        for part, value in rule["ServerSideEncryptionByDefault"].items():
            SubElement(by_default, part).text = value
        resolve(_S3, "_put_bucket_encryption", ("name", "body"))(name, tostring(encryption))


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
        words = resolve("ministack.core.iam_actions", "identity_denial_message")
        told = words(takes, denied.principal_arn, key, denied.decision == "Deny")
        return resolve("ministack.core.iam_evaluator", "AuthError")("AccessDenied", told)
    return denied


def _key_of(object_arn: str) -> str | None:
    """The ARN of the key that the object's bucket encrypts with, if it has one."""
    bucket = object_arn.rpartition(":")[2].partition("/")[0]
    headers: dict[str, str] = resolve(_S3, "_bucket_default_sse_headers", ("bucket_name",))(bucket)
    return headers.get("x-amz-server-side-encryption-aws-kms-key-id")
