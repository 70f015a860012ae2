"""Objects in S3: those that are written once, and their pages in the console."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.exceptions import ClientError

from pipeline.aws.clients import error_code
from pipeline.errors import RetryableError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def write_if_absent(s3: S3Client, bucket: str, key: str, text: str, content_type: str) -> bool:
    """Write an object unless it exists. Of two requests at the same time, S3 accepts one.

    Args:
        s3: The S3 client.
        bucket: Name of the bucket.
        key: Key of the object.
        text: Content of the object.
        content_type: Content type of the object.

    Returns:
        Whether the object was written. If the response to an attempt was lost, this is false,
        although the object has this content.

    Raises:
        RetryableError: Another request is writing the object at the same time.
    """
    try:
        s3.put_object(
            Bucket=bucket, Key=key, Body=text.encode(), ContentType=content_type, IfNoneMatch="*"
        )
    except ClientError as error:
        if error_code(error) == "ConditionalRequestConflict":
            raise RetryableError(
                f"another request is writing {key} at the same time: {error}"
            ) from error
        if error_code(error) != "PreconditionFailed":
            raise
        return False
    return True


def object_exists(s3: S3Client, bucket: str, key: str) -> bool:
    """Return whether an object exists. The caller needs `s3:ListBucket`, or else S3 answers 403."""
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error_code(error) != "404":
            raise
        return False
    return True


def build_object_url(region: str, bucket: str, key: str) -> str:
    """Return the URL of an object in the console of S3, which requires the reader to sign in.

    AWS does not document the form of the URL. It is the one that the console itself shows.
    """
    return (
        f"https://{region}.console.aws.amazon.com/s3/object/{bucket}"
        f"?region={region}&prefix={quote(key)}"
    )
