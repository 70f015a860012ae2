"""The Glue crawler: what starts, runs and ends a crawl, and what is said of it afterwards.

A crawl reads S3 and writes the catalogue and its log with the crawler's role, so a permission that
is missing makes it FAILED, as on AWS.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from local.extensions.glue.catalog import CrawlCatalogue, CrawlError
from local.extensions.glue.crawl import find_tables
from local.extensions.patching.clients import NotAssumableError, client
from local.extensions.patching.patches import replace, resolve
from local.extensions.patching.responses import Answer, accepted, refused

LOG_GROUP = "/aws-glue/crawlers"
_SERVICE = "glue.amazonaws.com"
_GLUE = "ministack.services.glue"

_log = logging.getLogger("crawler")
_lock = threading.Lock()


class _StoppedError(Exception):
    """Somebody stopped the crawl."""


def install() -> None:
    """Take the calls that start and stop a crawl."""
    replace(_GLUE, "_start_crawler", _start_crawler, ("data",))
    replace(_GLUE, "_stop_crawler", _stop_crawler, ("data",))


def _start_crawler(data: dict[str, Any]) -> Answer:
    name = data.get("Name", "")
    crawler = resolve(_GLUE, "_crawlers").get(name)
    with _lock:
        if crawler is None:
            return refused("EntityNotFoundException", f"Crawler with name {name} does not exist")
        if crawler["State"] != "READY":
            return refused(
                "CrawlerRunningException", f"Crawler with name {name} has already started"
            )
        crawler["State"] = "RUNNING"
    resolve("ministack.core.concurrency", "spawn_background")(
        _crawl, crawler, thread_name=f"crawler-{name}"
    )
    return accepted({})


def _stop_crawler(data: dict[str, Any]) -> Answer:
    name = data.get("Name", "")
    crawler = resolve(_GLUE, "_crawlers").get(name)
    with _lock:
        if crawler is None:
            return refused("EntityNotFoundException", f"Crawler with name {name} does not exist")
        if crawler["State"] == "READY":
            return refused("CrawlerNotRunningException", f"Crawler with name {name} isn't running")
        if crawler["State"] == "STOPPING":
            return refused("CrawlerStoppingException", f"Crawler with name {name} is stopping")
        crawler["State"] = "STOPPING"
    return accepted({})


def _crawl(crawler: dict[str, Any]) -> None:
    """One crawl, from RUNNING over STOPPING to READY; LastCrawl is there before READY is."""
    began = time.time()
    last = {
        "LogGroup": LOG_GROUP,
        "LogStream": crawler["Name"],
        "MessagePrefix": str(uuid4()),
        "StartTime": began,
    }
    lines: list[str] = []
    status, problem = "SUCCEEDED", ""
    try:
        _run(crawler, lines)
    except _StoppedError:
        status = "CANCELLED"
    except (ClientError, CrawlError, NotAssumableError) as error:
        status, problem = "FAILED", str(error)
    except Exception as error:  # noqa: BLE001 - logged; a crawler never stays RUNNING
        _log.exception("crawler %s", crawler["Name"])
        status, problem = "FAILED", f"Internal service exception: {error}"
    with _lock:
        crawler["State"] = "STOPPING"
    lines.append(f"{'ERROR' if problem else 'INFO'} : Crawl ended {status} {problem}".rstrip())
    try:
        _write_log(crawler, last["MessagePrefix"], lines)
    except (ClientError, NotAssumableError) as error:
        status, problem = "FAILED", problem or str(error)
    crawler["LastCrawl"] = {
        **last,
        "Status": status,
        **({"ErrorMessage": problem} if problem else {}),
    }
    crawler["CrawlElapsedTime"] = round(1000 * (time.time() - began))
    with _lock:
        crawler["State"] = "READY"


def _run(crawler: dict[str, Any], lines: list[str]) -> None:
    role = _role_arn(crawler)
    s3, glue = (client(service, role, _SERVICE) for service in ("s3", "glue"))

    def log(line: str) -> None:
        lines.append(line)
        if crawler["State"] == "STOPPING":
            raise _StoppedError

    glue.get_database(Name=crawler["DatabaseName"])
    catalogue = CrawlCatalogue(glue, crawler, log)
    for target in crawler.get("Targets", {}).get("S3Targets", []):
        log(f"INFO : Crawling {target['Path']}")
        for table in find_tables(s3, target, crawler.get("TablePrefix", ""), log):
            catalogue.keep(table)


def _role_arn(crawler: dict[str, Any]) -> str:
    role = str(crawler["Role"])
    account = resolve("ministack.core.responses", "get_account_id")()
    return role if role.startswith("arn:") else f"arn:aws:iam::{account}:role/{role}"


def _write_log(crawler: dict[str, Any], prefix: str, lines: list[str]) -> None:
    """Put the lines into the log group that all crawlers share, as the crawler's role."""
    logs = client("logs", _role_arn(crawler), _SERVICE)
    stream = {"logGroupName": LOG_GROUP, "logStreamName": crawler["Name"]}
    for make, names in (
        (logs.create_log_group, {"logGroupName": LOG_GROUP}),
        (logs.create_log_stream, stream),
    ):
        try:
            make(**names)
        except logs.exceptions.ResourceAlreadyExistsException:
            continue
    now = round(1000 * time.time())
    events = [{"timestamp": now, "message": f"[{prefix}] {line}"} for line in lines]
    logs.put_log_events(**stream, logEvents=events)
