"""Keys of the items in the ledger, and the attribute that lets items expire.

`docs/ledger.md` shows an example of each item.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

EXPIRATION = "expiration"
"""The attribute for the table's time to live, in seconds since 1970."""

OPEN = "open"
"""The attribute of items that need attention: the key of the index `OPEN_ITEMS`."""
OPEN_ITEMS = "open-items"
"""The index of open items. It contains only items that have the attribute `OPEN`."""
OPEN_BATCH = "batch"
OPEN_RUN = "run"
OPEN_SUMMARY = "summary"

BATCH_PREFIX = "batch/"
RUN_PREFIX = "run/"
POINTER = "pointer"
RUN_SLOTS = "run_slots"
EMAIL_BUDGET_PREFIX = "email_budget/"
SUBSCRIPTION = "subscription"
INCOMPLETE_REPORT = "incomplete_report"
NOTIFICATION_PREFIX = "notification"
"""The idempotency utility of Powertools appends `#` and a digest of the notification key."""


def batch_key(prefix: str) -> str:
    """Return the key of a batch, such as `batch/raw/2026-11/`."""
    return f"{BATCH_PREFIX}{prefix}"


def run_key(run_id: str) -> str:
    """Return the key of a run."""
    return f"{RUN_PREFIX}{run_id}"


def email_budget_key(hour: str) -> str:
    """Return the key of the emails of an hour, such as `email_budget/2026-11-24T08`."""
    return f"{EMAIL_BUDGET_PREFIX}{hour}"


def summary_page_key(hour: str, page: int) -> str:
    """Return the key of a page of an hour's summary, such as `email_budget/2026-11-24T08/07`."""
    return f"{EMAIL_BUDGET_PREFIX}{hour}/{page:02}"


def expiration_time(now: datetime, retention: timedelta) -> int:
    """Return the expiration of an item that is written now, in seconds since 1970."""
    # Rounded up, so that no item expires before its time.
    return math.ceil((now + retention).timestamp())


# The notification keys must not change: a notification that was sent under the old key would be
# sent again under the new one.


def run_published_notification(run_id: str) -> str:
    """Return the notification key of a published, superseded, or verified run."""
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


def unknown_name_notification(key: str, version_id: str) -> str:
    """Return the notification key of an upload with an unknown name.

    Args:
        key: Key of the object.
        version_id: Version of the object, or else the sequencer of its event.
    """
    return f"unknown {key} {version_id}"


def summary_notification(hour: str) -> str:
    """Return the notification key of the summary of an hour, such as `2026-11-24T08`."""
    return f"summary {hour}"


def held_batch_notification(run_id: str) -> str:
    """Return the notification key of a held batch.

    Args:
        run_id: ID of the run that the files of the batch would have.
    """
    return f"held {run_id}"


def incomplete_batches_notification(batches: Iterable[tuple[str, str | None]]) -> str:
    """Return the notification key of incomplete batches.

    Args:
        batches: The prefix of each batch, and the time of its first file since the last claim.
    """
    names = (f"{prefix} {waiting_since}" for prefix, waiting_since in batches)
    return f"incomplete {' '.join(names)}"
