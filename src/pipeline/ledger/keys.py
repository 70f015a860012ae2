"""Keys of the items in the ledger, and the attribute that lets items expire.

`docs/ledger.md` shows an example of each item.
"""

from __future__ import annotations

from datetime import datetime, timedelta

EXPIRATION = "expiration"
"""The attribute for the table's time to live, in seconds since 1970."""

BATCH_PREFIX = "batch/"
RUN_PREFIX = "run/"
POINTER = "pointer"
SUBSCRIPTION = "subscription"
NOTIFICATION_PREFIX = "notification"
"""The idempotency utility of Powertools appends `#` and a digest of the notification key."""


def batch_key(prefix: str) -> str:
    """Return the key of a batch, such as `batch/raw/2026-11/`."""
    return f"{BATCH_PREFIX}{prefix}"


def run_key(run_id: str) -> str:
    """Return the key of a run."""
    return f"{RUN_PREFIX}{run_id}"


def expiration_time(now: datetime, retention: timedelta) -> int:
    """Return the expiration of an item that is written now, in seconds since 1970."""
    return int((now + retention).timestamp())


# The texts of the notification keys must not change: a notification that was sent under the old key
# would be sent again under the new one.


def run_published_notification(run_id: str) -> str:
    """Return the notification key of a published or superseded run."""
    return f"published {run_id}"


def run_failed_notification(run_id: str) -> str:
    """Return the notification key of a failed run, for `report_failure` and the watchdog."""
    return f"failed {run_id}"


def rejected_upload_notification(key: str, version_id: str) -> str:
    """Return the notification key of a rejected upload."""
    return f"rejected {key} {version_id}"


def unreadable_upload_notification(key: str, version_id: str) -> str:
    """Return the notification key of an upload that cannot be read.

    Args:
        key: Key of the object.
        version_id: Version of the object, or else the sequencer of its event.
    """
    return f"unreadable {key} {version_id}"


def unknown_name_notification(folder: str, hour: str) -> str:
    """Return the notification key of the files with unknown names in a folder within an hour.

    Args:
        folder: The folder of the files: `raw/`, or a prefix directly below it.
        hour: Hour of the upload in UTC, such as `2026-11-24T08`.
    """
    return f"unknown {folder} {hour}"


def incomplete_batch_notification(prefix: str, waiting_since: str) -> str:
    """Return the notification key of an incomplete batch.

    Args:
        prefix: The batch prefix.
        waiting_since: Time of the first file since the last claim.
    """
    return f"incomplete {prefix} {waiting_since}"
