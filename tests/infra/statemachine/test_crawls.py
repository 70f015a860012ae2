"""Crawls: which of them count for a run, how long a run waits, and how runs share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.infra.statemachine.test_scenarios import BATCH, SUCCESS
from tests.infra.support import asl
from tests.infra.support.asl_engine import Engine, ExecutionResult, TaskError
from tests.infra.support.crawler import (
    ALREADY_RUNNING,
    EARLIER,
    IDLE,
    LATER,
    LATEST,
    RUNNING,
    SUCCEEDED,
    TimedCrawler,
    describe_crawler,
)

pytestmark = pytest.mark.xdist_group("ministack")

STATES = asl.load_definition()["States"]
VARIABLES = STATES["InitializeVariables"]["Assign"]
MAX_POLLS, MAX_FAILED = VARIABLES["max_polls"], VARIABLES["max_failed_crawls"]
COMPLETE = 1_900_000_000_750  # 750 ms after the start of a second
FAILED = {"Status": "FAILED", "ErrorMessage": "no access"}
FAILURES = [describe_crawler("READY", f"220{year}-01-01T00:00:00Z", **FAILED) for year in range(9)]

# By name: the responses of GetCrawler and StartCrawler, and the expected number of each call. The
# last response repeats.
SUCCESSES: Mapping[str, tuple[Sequence[Any], Sequence[Any], int, int]] = {
    "the crawler has never run": ([describe_crawler("READY"), SUCCEEDED], [{}], 2, 1),
    "a crawl of another run began later and succeeded": ([SUCCEEDED], [{}], 1, 0),
    "it succeeded, and the next one is running": (
        [describe_crawler("RUNNING", LATER)],
        [{}],
        1,
        0,
    ),
    "a crawl of another run that began later is running": ([RUNNING, SUCCEEDED], [{}], 2, 0),
    "a running crawl began before the tables were complete": (
        [RUNNING, describe_crawler("STOPPING", EARLIER), IDLE, RUNNING, SUCCEEDED],
        [{}],
        5,
        1,
    ),
    "another run starts the crawler first": ([IDLE, RUNNING, SUCCEEDED], [ALREADY_RUNNING], 3, 1),
    "the crawler is still ready after its start": (
        [IDLE, IDLE, RUNNING, SUCCEEDED],
        [{}, ALREADY_RUNNING],
        4,
        2,
    ),
    "a crawl of another run that began earlier failed": (
        [describe_crawler("READY", EARLIER, **FAILED), SUCCEEDED],
        [{}],
        2,
        1,
    ),
    "a crawl that began later failed, and the next one succeeds": (
        [
            describe_crawler("READY", LATER, **FAILED),
            describe_crawler("RUNNING", LATER, **FAILED),
            describe_crawler("READY", LATEST),
        ],
        [{}],
        3,
        1,
    ),
    "a crawl that began later was canceled, and the next one succeeds": (
        [describe_crawler("READY", LATER, Status="CANCELLED"), describe_crawler("READY", LATEST)],
        [{}],
        2,
        1,
    ),
    "a crawl failed long ago, and each check sees it again": (
        [FAILURES[0]] * (MAX_FAILED + 2) + [describe_crawler("READY", LATEST)],
        [ALREADY_RUNNING],
        MAX_FAILED + 3,
        MAX_FAILED + 2,
    ),
}

# By name: the responses, the state that fails, its error, a part of the cause, and the calls.
FAILURE_SCENARIOS: Mapping[str, tuple[Sequence[Any], Sequence[Any], str, str, str, int, int]] = {
    "the crawler does not exist": (
        [TaskError("Glue.EntityNotFoundException", "no crawler")],
        [{}],
        *("GetCrawler", "Glue.EntityNotFoundException", "no crawler"),
        *(1, 0),
    ),
    "starting the crawler is denied": (
        [IDLE],
        [TaskError("Glue.AccessDeniedException", "not authorized")],
        *("StartCrawler", "Glue.AccessDeniedException", "not authorized"),
        *(1, 1),
    ),
    "the crawler stays busy": (
        [RUNNING],
        [{}],
        *("CheckCrawl", "CrawlNotFinished", f"{MAX_POLLS} checks at intervals of 30 seconds"),
        *(MAX_POLLS + 1, 0),
    ),
    "the crawl does not end": (
        [IDLE, RUNNING],
        [{}],
        *("CheckCrawl", "CrawlNotFinished", "The state of the crawler is RUNNING."),
        *(MAX_POLLS + 1, 1),
    ),
    "each crawl fails": (
        FAILURES,
        [{}],
        *("CheckCrawl", "CrawlFailed", "3 crawls of rental-kpi-crawler did not succeed"),
        *(MAX_FAILED, MAX_FAILED - 1),
    ),
    "the reason of the last crawl is given": (
        [IDLE, *FAILURES],
        [{}],
        *("CheckCrawl", "CrawlFailed", "The last one ended with the status FAILED: no access"),
        *(MAX_FAILED + 1, MAX_FAILED),
    ),
    "crawls end without a message": (
        [
            describe_crawler("READY", f"22{year}-01-01T00:00:00Z", Status="CANCELLED")
            for year in range(10, 20)
        ],
        [{}],
        *("CheckCrawl", "CrawlFailed", "CANCELLED: "),
        *(MAX_FAILED, MAX_FAILED - 1),
    ),
}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    return Engine(monkeypatch)


def _run(
    engine: Engine, name: str, get: Sequence[Any], start: Sequence[Any]
) -> tuple[ExecutionResult, tuple[int, int]]:
    responses = {**SUCCESS, "getCrawler": get, "startCrawler": start}
    result = engine.run(name, responses, BATCH)
    calls = [len(result.arguments_of(call)) for call in ("getCrawler", "startCrawler")]
    return result, (calls[0], calls[1])


@pytest.mark.parametrize("name", SUCCESSES)
def test_run_is_published_after_a_crawl_that_counts(name: str, engine: Engine) -> None:
    get, start, *expected_calls = SUCCESSES[name]
    result, calls = _run(engine, name, get, start)
    assert (result.status, result.error, result.cause) == ("SUCCEEDED", "", "")
    assert calls == tuple(expected_calls)


@pytest.mark.parametrize("name", FAILURE_SCENARIOS)
def test_run_fails_without_a_crawl_that_counts(name: str, engine: Engine) -> None:
    get, start, state, error, cause, *expected_calls = FAILURE_SCENARIOS[name]
    result, calls = _run(engine, name, get, start)
    assert (result.status, result.error) == ("FAILED", error)
    assert result.cause.startswith(f"{state}: ")
    assert cause in result.cause
    assert calls == tuple(expected_calls)
    (report,) = result.arguments_of("ReportFailure")
    assert (report["failure"]["state"], report["failure"]["error"]) == (state, error)
    assert result.arguments_of("PublishResults") == []


@pytest.mark.parametrize(
    ("last_crawl", "status"),
    [
        (None, "NONE"),
        ({"Status": "SUCCEEDED"}, "NONE"),
        # 2030-03-17T17:46:40Z is the second in which the tables were complete.
        ({"Status": "SUCCEEDED", "StartTime": "2030-03-17T17:46:39.999Z"}, "NONE"),
        ({"Status": "SUCCEEDED", "StartTime": "2030-03-17T17:46:40Z"}, "NONE"),
        ({"Status": "SUCCEEDED", "StartTime": "2030-03-17T17:46:40.749Z"}, "NONE"),
        ({"Status": "SUCCEEDED", "StartTime": "2030-03-17T17:46:40.750Z"}, "SUCCEEDED"),
        ({"Status": "FAILED", "StartTime": "2030-03-17T17:46:41Z"}, "FAILED"),
    ],
)
def test_crawl_counts_from_the_moment_when_the_tables_were_complete(
    last_crawl: Mapping[str, str] | None, status: str
) -> None:
    """A start time in whole seconds is rounded down: that crawl may have begun too early."""
    crawler = {"State": "READY", **({"LastCrawl": last_crawl} if last_crawl else {})}
    crawl = asl.evaluate(
        STATES["GetCrawler"]["Assign"]["crawl"],
        {"tables_complete_at": COMPLETE},
        result={"Crawler": crawler},
    )
    assert crawl["status"] == status


def test_24_runs_that_end_at_the_same_time_share_crawls(engine: Engine) -> None:
    """If each run waited for a crawl of its own, the runs would need 24 crawls of two minutes."""
    scale = 0.002
    crawler = TimedCrawler(crawl_seconds=120 * scale)
    responses = {**SUCCESS, "getCrawler": [crawler.get], "startCrawler": [crawler.start]}
    results = engine.run_at_once("24 runs", responses, BATCH, count=24, wait_scale=scale)
    assert [(result.status, result.cause) for result in results] == [("SUCCEEDED", "")] * 24
    assert 1 <= len(crawler.crawl_starts) <= 12
