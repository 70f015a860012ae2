"""Start, run, and stop crawls of the Glue crawler.

A crawl reads S3 and writes the catalog and its log with the crawler's role. A missing permission
therefore makes the crawl end as FAILED, as on AWS.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from local.extensions.glue.catalog_writer import CatalogWriter, CrawlError
from local.extensions.glue.table_discovery import discover_tables
from local.extensions.patching.clients import AssumeRoleError, get_client
from local.extensions.patching.patches import replace, resolve
from local.extensions.patching.responses import Response, error_response, success_response

_SHARED_LOG_GROUP = "/aws-glue/crawlers"
_SERVICE_PRINCIPAL = "glue.amazonaws.com"
_GLUE = "ministack.services.glue"

_log = logging.getLogger("crawler")
_lock = threading.Lock()


class _CrawlCanceledError(Exception):
    """The crawl was stopped by a user."""


def install() -> None:
    """Replace the calls that start and stop a crawl."""
    replace(_GLUE, "_start_crawler", _start_crawler, ("data",))
    replace(_GLUE, "_stop_crawler", _stop_crawler, ("data",))


def _start_crawler(data: dict[str, Any]) -> Response:
    name = data.get("Name", "")
    crawler = resolve(_GLUE, "_crawlers").get(name)
    with _lock:
        if crawler is None:
            return _not_found(name)
        if crawler["State"] != "READY":
            return error_response(
                "CrawlerRunningException", f"Crawler with name {name} has already started"
            )
        crawler["State"] = "RUNNING"
    resolve("ministack.core.concurrency", "spawn_background")(
        _crawl, crawler, thread_name=f"crawler-{name}"
    )
    return success_response({})


def _stop_crawler(data: dict[str, Any]) -> Response:
    name = data.get("Name", "")
    crawler = resolve(_GLUE, "_crawlers").get(name)
    with _lock:
        if crawler is None:
            return _not_found(name)
        if crawler["State"] == "READY":
            return error_response(
                "CrawlerNotRunningException", f"Crawler with name {name} isn't running"
            )
        if crawler["State"] == "STOPPING":
            return error_response(
                "CrawlerStoppingException", f"Crawler with name {name} is stopping"
            )
        crawler["State"] = "STOPPING"
    return success_response({})


def _not_found(name: str) -> Response:
    return error_response("EntityNotFoundException", f"Crawler with name {name} does not exist")


def _crawl(crawler: dict[str, Any]) -> None:
    """Run one crawl, and move the crawler from RUNNING through STOPPING to READY.

    LastCrawl is set before the state becomes READY.
    """
    started_at = time.time()
    last_crawl = {
        "LogGroup": _get_log_group(crawler),
        "LogStream": crawler["Name"],
        "MessagePrefix": str(uuid4()),
        "StartTime": started_at,
    }
    lines: list[str] = []
    status, error_message = "SUCCEEDED", ""
    try:
        _catalog_targets(crawler, lines)
    except _CrawlCanceledError:
        status = "CANCELLED"
    except (ClientError, CrawlError, AssumeRoleError) as error:
        status, error_message = "FAILED", str(error)
    except Exception as error:  # noqa: BLE001 - logged; a crawler must not stay in RUNNING
        _log.exception("crawler %s failed", crawler["Name"])
        status, error_message = "FAILED", f"Internal service exception: {error}"
    with _lock:
        crawler["State"] = "STOPPING"
    level = "ERROR" if error_message else "INFO"
    lines.append(f"{level} : Crawl ended with status {status} {error_message}".rstrip())
    try:
        _write_log(crawler, last_crawl["MessagePrefix"], lines)
    except (ClientError, AssumeRoleError) as error:
        status, error_message = "FAILED", error_message or str(error)
    crawler["LastCrawl"] = {
        **last_crawl,
        "Status": status,
        **({"ErrorMessage": error_message} if error_message else {}),
    }
    crawler["CrawlElapsedTime"] = round(1000 * (time.time() - started_at))
    with _lock:
        crawler["State"] = "READY"


def _catalog_targets(crawler: dict[str, Any], lines: list[str]) -> None:
    role = _get_role_arn(crawler)
    s3, glue = (get_client(service, role, _SERVICE_PRINCIPAL) for service in ("s3", "glue"))

    def log(line: str) -> None:
        lines.append(line)
        if crawler["State"] == "STOPPING":
            raise _CrawlCanceledError

    glue.get_database(Name=crawler["DatabaseName"])
    writer = CatalogWriter(glue, crawler, log)
    for target in crawler.get("Targets", {}).get("S3Targets", []):
        log(f"INFO : Crawling {target['Path']}")
        for table in discover_tables(s3, target, crawler.get("TablePrefix", ""), log):
            writer.write(table)


def _get_role_arn(crawler: dict[str, Any]) -> str:
    role = str(crawler["Role"])
    account = resolve("ministack.core.responses", "get_account_id")()
    return role if role.startswith("arn:") else f"arn:aws:iam::{account}:role/{role}"


def _get_log_group(crawler: dict[str, Any]) -> str:
    """Return the log group of a crawler.

    A crawler with a security configuration has a log group of its own, as a job does (`JobRun` in
    the Glue Web API Reference). All others share one.
    """
    configuration = crawler.get("CrawlerSecurityConfiguration")
    if not configuration:
        return _SHARED_LOG_GROUP
    role = _get_role_arn(crawler).partition(":role/")[2]
    return f"{_SHARED_LOG_GROUP}-role/{role}-{configuration}"


def _write_log(crawler: dict[str, Any], message_prefix: str, lines: list[str]) -> None:
    """Write the lines to the log group of the crawler, with the crawler's role."""
    role, group = _get_role_arn(crawler), _get_log_group(crawler)
    logs = get_client("logs", role, _SERVICE_PRINCIPAL)
    stream = {"logGroupName": group, "logStreamName": crawler["Name"]}
    _create_unless_exists(logs, logs.create_log_group, logGroupName=group)
    if name := crawler.get("CrawlerSecurityConfiguration"):
        glue = get_client("glue", role, _SERVICE_PRINCIPAL)
        configuration = glue.get_security_configuration(Name=name)["SecurityConfiguration"]
        encryption = configuration["EncryptionConfiguration"].get("CloudWatchEncryption", {})
        if encryption.get("CloudWatchEncryptionMode") == "SSE-KMS":
            logs.associate_kms_key(logGroupName=group, kmsKeyId=encryption["KmsKeyArn"])
    _create_unless_exists(logs, logs.create_log_stream, **stream)
    now_ms = round(1000 * time.time())
    events = [{"timestamp": now_ms, "message": f"[{message_prefix}] {line}"} for line in lines]
    logs.put_log_events(**stream, logEvents=events)


def _create_unless_exists(logs: Any, create: Callable[..., Any], **arguments: str) -> None:
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        create(**arguments)
