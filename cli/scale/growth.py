"""What grows with the number of runs and uploads that are kept."""

from __future__ import annotations

from dataclasses import dataclass

from cli.scale import assumptions, limits
from cli.scale.daily_load import FILES, TABLES
from cli.scale.limits import Limit

_ITEM_READS_PER_SECOND = 200
_LOST_UPLOAD_DAYS = 2


@dataclass(frozen=True)
class Accumulation:
    """A limit that fills up over time, because nothing removes what counts.

    Attributes:
        limit: The limit.
        per_run: How much each run adds.
        days: Days until the limit is met.
    """

    limit: Limit
    per_run: int
    days: float


def list_accumulations(batches: int) -> list[Accumulation]:
    """Return the limits that fill up, the first one to be met first."""
    per_run = {
        limits.TABLE_VERSIONS: 1,
        limits.ALL_TABLE_VERSIONS: TABLES,
        limits.SCANNED_PARTITIONS: 1,
        limits.TABLE_PARTITIONS: 1,
        limits.ALL_PARTITIONS: TABLES,
    }
    accumulations = [
        Accumulation(limit, number, limit.value / (number * batches))
        for limit, number in per_run.items()
    ]
    return sorted(accumulations, key=lambda accumulation: accumulation.days)


def estimate_crawl_seconds(runs: float) -> float:
    """Return the duration of a crawl of all partitions of a number of runs."""
    folders = TABLES * runs
    return assumptions.CRAWL_SECONDS.value + folders / assumptions.CRAWLED_FOLDERS_PER_SECOND.value


def find_max_crawled_runs() -> int:
    """Return for how many kept runs two crawls in a row end before a run gives up."""
    seconds = limits.CRAWL_TIMEOUT.value / 2 - assumptions.CRAWL_SECONDS.value
    return int(seconds * assumptions.CRAWLED_FOLDERS_PER_SECOND.value / TABLES)


def estimate_lost_upload_search(batches: int, retention_days: int) -> float:
    """Return the seconds in which the watchdog searches all versions below `raw/`.

    An upload is the current version for the retention period, and then a noncurrent version behind
    a delete marker for as long again. Of the batches of two days, the ledger item is read, too.
    """
    keys = batches * FILES * retention_days * 3
    listing = keys / 1000 / assumptions.LISTED_PAGES_PER_SECOND.value
    return listing + batches * _LOST_UPLOAD_DAYS / _ITEM_READS_PER_SECOND


def find_max_input_retention(batches: int) -> int:
    """Return the longest `InputRetentionDays` with which the search ends in time."""
    days = 0
    while estimate_lost_upload_search(batches, days + 1) < limits.WATCHDOG_TIMEOUT.value:
        days += 1
    return days
