"""Show what a run on a local cloud has left: emails, and files."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

from rich.console import Console
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from cli.cloud.emails import show_emails
from cli.target.local_clouds import shorten_path
from local.cloud import Cloud
from local.mailbox import Email, read_emails

_EMAIL_TIMEOUT = 30.0  # seconds; the email about an aborted execution arrives a little later


def show_new_emails(
    cloud: Cloud, mentioned_text: str, known_emails: int, console: Console
) -> list[Email]:
    """Wait for new emails that mention a string, and print them.

    Emails about other batches may arrive at the same time and are ignored.

    Args:
        cloud: Local cloud with the mailbox.
        mentioned_text: String in the body of the emails, such as a run ID.
        known_emails: Number of emails in the mailbox that are not new.
        console: Where to print.

    Returns:
        The emails. The list is empty if none has arrived in time.
    """

    def list_emails() -> list[Email]:
        new_emails = read_emails(cloud.mailbox_folder)[known_emails:]
        return [email for email in new_emails if mentioned_text in email.body]

    with suppress(RetryError):
        Retrying(
            retry=retry_if_result(lambda emails: not emails),
            wait=wait_fixed(0.2),
            stop=stop_after_delay(_EMAIL_TIMEOUT),
        )(list_emails)
    emails = list_emails()
    if not emails:
        console.print(
            f"No email arrived within {_EMAIL_TIMEOUT:.0f} seconds. See the server log:"
            f" {shorten_path(cloud.log)}",
            soft_wrap=True,
        )
    show_emails(emails, console)
    return emails


def show_output_locations(cloud: Cloud, bucket: str, console: Console) -> None:
    """Print the number of objects below each top-level prefix of the bucket, and local paths."""
    pages = cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = (entry["Key"] for page in pages for entry in page.get("Contents", []))
    counts = Counter(key.partition("/")[0] for key in keys)
    console.print("\nOutput", style="bold")
    lines = [
        f"s3://{bucket}/{prefix}/  {_format_object_count(count)}"
        for prefix, count in sorted(counts.items())
    ]
    lines += [f"Emails: {shorten_path(cloud.mailbox_folder)}"]
    lines += [f"Server log: {shorten_path(cloud.log)}"]
    for line in lines:
        console.print(f"  {line}", soft_wrap=True)


def _format_object_count(count: int) -> str:
    return "1 object" if count == 1 else f"{count:,} objects"
