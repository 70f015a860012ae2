"""Responses of the Glue crawler: as constants for scripts, and from a crawler that needs time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any

from tests.infra.support.asl_engine import TaskError

ALREADY_RUNNING = TaskError("Glue.CrawlerRunningException")
# Before and after the tables of a run in a test are complete.
EARLIER, LATER, LATEST = (f"{year}-01-01T00:00:00Z" for year in (2001, 2201, 2202))


def describe_crawler(state: str, started: str | None = None, **last_crawl: str) -> dict[str, Any]:
    """Return the response of GetCrawler.

    Args:
        state: The state of the crawler.
        started: The start time of the last crawl. None if the crawler has never run.
        **last_crawl: Other fields of the last crawl. By default, it succeeded.
    """
    crawler: dict[str, Any] = {"Name": "rental-kpi-crawler", "State": state}
    if started:
        crawler["LastCrawl"] = {"StartTime": started, "Status": "SUCCEEDED", **last_crawl}
    return {"Crawler": crawler}


IDLE, RUNNING = describe_crawler("READY", EARLIER), describe_crawler("RUNNING", EARLIER)
SUCCEEDED = describe_crawler("READY", LATER)


class TimedCrawler:
    """A crawler whose crawls take a fixed time. As on AWS, one crawl runs at a time.

    Attributes:
        crawl_starts: The start time of each crawl, in seconds.
    """

    def __init__(self, crawl_seconds: float) -> None:
        """Create a crawler that has never run.

        Args:
            crawl_seconds: The duration of a crawl.
        """
        self.crawl_starts: list[float] = []
        self._crawl_seconds = crawl_seconds
        self._lock = threading.Lock()

    def start(self) -> Any:
        """Respond to StartCrawler."""
        with self._lock:
            if self._is_running():
                return ALREADY_RUNNING
            self.crawl_starts.append(time.time())
            return {}

    def get(self) -> Any:
        """Respond to GetCrawler. The last crawl is the last one that ended."""
        with self._lock:
            if not self._is_running():
                return describe_crawler("READY", *map(_format_time, self.crawl_starts[-1:]))
            return describe_crawler("RUNNING", *map(_format_time, self.crawl_starts[-2:-1]))

    def _is_running(self) -> bool:
        return bool(self.crawl_starts) and time.time() < self.crawl_starts[-1] + self._crawl_seconds


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
