"""Enforce permissions for the KMS keys of encrypted buckets.

S3 uses a bucket's key with the caller's permissions, so the caller needs permission for the key
too. MiniStack does not check that permission, and its CloudFormation does not set a bucket's key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from local.extensions.patching.patches import replace, resolve

# The key permission that an S3 action requires. On AWS, a multipart upload also requires
# kms:Decrypt. That is not enforced here.
_KEY_ACTIONS = {
    "s3:GetObject": "kms:Decrypt",
    "s3:GetObjectVersion": "kms:Decrypt",
    "s3:PutObject": "kms:GenerateDataKey",
}

_S3 = "ministack.services.s3"
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

_originals: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Make CloudFormation set the encryption of a bucket."""
    _originals["configure"] = replace(
        "ministack.services.cloudformation.provisioners",
        "_s3_apply_configurations",
        _configure_bucket,
        ("name", "props", "old_props"),
    )


def _configure_bucket(
    name: str, props: dict[str, Any], old_props: dict[str, Any] | None = None
) -> None:
    _originals["configure"](name, props, old_props)
    for rule in props.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", []):
        encryption = Element("ServerSideEncryptionConfiguration", xmlns=_NAMESPACE)
        default = SubElement(SubElement(encryption, "Rule"), "ApplyServerSideEncryptionByDefault")
        for setting, value in rule["ServerSideEncryptionByDefault"].items():
            SubElement(default, setting).text = value
        resolve(_S3, "_put_bucket_encryption", ("name", "body"))(name, tostring(encryption))


def get_key_denial(
    enforce: Callable[..., Any], access_key_id: str, action: str, region: str, object_arn: str
) -> Any:
    """Return the denial of the bucket's key for an S3 action, or `None` if it is allowed.

    Args:
        enforce: MiniStack's function that authorizes a request.
        access_key_id: The access key of the caller.
        action: The S3 action, such as `s3:GetObject`.
        region: The region of the bucket.
        object_arn: The ARN of the object.
    """
    key_action, key_arn = _KEY_ACTIONS.get(action), get_key_arn(object_arn)
    if not key_action or not key_arn:
        return None
    context = {"kms:ViaService": f"s3.{region}.amazonaws.com"}
    denial = enforce(access_key_id, key_action, "kms", region, key_arn, context)
    # MiniStack would report a policy's denial as a denial of the S3 action.
    if hasattr(denial, "decision"):
        build_message = resolve("ministack.core.iam_actions", "identity_denial_message")
        is_explicit = denial.decision == "Deny"
        message = build_message(key_action, denial.principal_arn, key_arn, is_explicit)
        return resolve("ministack.core.iam_evaluator", "AuthError")("AccessDenied", message)
    return denial


def get_key_arn(object_arn: str) -> str | None:
    """Return the ARN of the key that encrypts the object's bucket, or `None`."""
    bucket = object_arn.rpartition(":")[2].partition("/")[0]
    headers: dict[str, str] = resolve(_S3, "_bucket_default_sse_headers", ("bucket_name",))(bucket)
    return headers.get("x-amz-server-side-encryption-aws-kms-key-id")
