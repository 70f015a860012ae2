"""Remove what a verification uploaded and wrote.

The prefixes of a run contain its ID, so nothing of another run is deleted. What the run added to is
kept: the history tables without its partitions, and the views.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from cli.verification.leftovers import CLOCK_DIFFERENCE, notification_item_key
from cli.verification.verification_run import VerificationRun
from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from contract.layout import (
    CLUSTER_LOGS_PREFIX,
    curated_prefix,
    kpi_prefix,
    pinned_prefix,
    quarantine_prefix,
)
from local.errors import UserError
from pipeline.ledger.keys import run_key, run_published_notification

_MAX_KEYS_PER_REQUEST = 1000
_MAX_QUERIES_PER_REQUEST = 50
_CRAWL_TIMEOUT = 900.0  # seconds
_CRAWL_POLL_SECONDS = 5.0


@dataclass(frozen=True)
class Removal:
    """What was removed.

    Attributes:
        versions: Number of object versions and delete markers.
        partitions: Number of partitions in the catalog.
        items: Number of ledger items.
    """

    versions: int
    partitions: int
    items: int


def remove_traces(run: VerificationRun, cluster_ids: list[str], *, is_complete: bool) -> Removal:
    """Remove the files, partitions, and ledger items of a run.

    Args:
        run: The run, whose execution has ended.
        cluster_ids: IDs of its clusters.
        is_complete: Whether the run was verified. Otherwise, its logs and ledger items are kept:
            the logs explain the failure, and without the items the watchdog would report the run
            again. They expire.
    """
    prefixes = list_prefixes(run)
    if is_complete:
        prefixes += [f"{CLUSTER_LOGS_PREFIX}{cluster_id}" for cluster_id in cluster_ids]
    s3 = run.account.client("s3")
    keys = list_query_results(run)
    versions = sum(_delete_prefix(s3, run.bucket, prefix) for prefix in prefixes)
    versions += sum(_delete_object(s3, run.bucket, key) for key in keys)
    partitions = _delete_partitions(run)
    items = _delete_ledger_items(run) if is_complete else 0
    return Removal(versions, partitions, items)


def list_prefixes(run: VerificationRun) -> list[str]:
    """Return the prefix of each folder that only the run writes to, without the final slash."""
    return [
        run.batch.rstrip("/"),
        pinned_prefix(run.run_id),
        *(curated_prefix(dataset, run.run_id) for dataset in DATASETS),
        *(quarantine_prefix(dataset, run.run_id) for dataset in DATASETS),
        *(kpi_prefix(table, run.run_id) for table in KPI_TABLES),
        f"runs/{run.run_id}",
        f"reports/{run.run_id}",
    ]


def list_query_results(run: VerificationRun) -> list[str]:
    """Return the keys of the results of all queries about the run, its own and ours.

    The results of all queries lie in one folder, under the IDs of the queries.
    """
    athena = run.account.client("athena")
    workgroup = athena.get_work_group(WorkGroup=run.stack.outputs["WorkgroupName"])["WorkGroup"]
    location = workgroup["Configuration"]["ResultConfiguration"]["OutputLocation"]
    folder = location.removeprefix(f"s3://{run.bucket}/")
    pages = run.account.client("s3").get_paginator("list_objects_v2")
    keys_by_query: dict[str, list[str]] = {}
    for page in pages.paginate(Bucket=run.bucket, Prefix=folder):
        for entry in page.get("Contents", []):
            if entry["LastModified"] >= run.started_at - CLOCK_DIFFERENCE:
                query_id = entry["Key"].removeprefix(folder).partition(".")[0]
                keys_by_query.setdefault(query_id, []).append(entry["Key"])
    return [
        key
        for query in _describe_queries(athena, list(keys_by_query))
        if run.run_id in query["Query"] or run.run_id in " ".join(_list_parameters(query))
        for key in keys_by_query[query["QueryExecutionId"]]
    ]


def _describe_queries(athena: Any, query_ids: list[str]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(query_ids), _MAX_QUERIES_PER_REQUEST):
        response = athena.batch_get_query_execution(
            QueryExecutionIds=query_ids[start : start + _MAX_QUERIES_PER_REQUEST]
        )
        yield from response["QueryExecutions"]


def _list_parameters(query: dict[str, Any]) -> list[str]:
    parameters: list[str] = query.get("ExecutionParameters", [])
    return parameters


def _delete_object(s3: Any, bucket: str, key: str) -> int:
    return _delete(s3, bucket, _list_versions(s3, bucket, key, lambda name: name == key))


def _delete_prefix(s3: Any, bucket: str, prefix: str) -> int:
    """Delete all versions in a folder, and the marker object that Hadoop may put beside it."""
    names = (f"{prefix}/", f"{prefix}_$folder$")
    return _delete(
        s3, bucket, _list_versions(s3, bucket, prefix, lambda key: key.startswith(names))
    )


def _list_versions(s3: Any, bucket: str, prefix: str, is_wanted: Any) -> list[dict[str, str]]:
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    return [
        {"Key": entry["Key"], "VersionId": entry["VersionId"]}
        for page in pages
        for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if is_wanted(entry["Key"])
    ]


def _delete(s3: Any, bucket: str, versions: list[dict[str, str]]) -> int:
    for start in range(0, len(versions), _MAX_KEYS_PER_REQUEST):
        batch = versions[start : start + _MAX_KEYS_PER_REQUEST]
        response = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        for error in response.get("Errors", []):
            raise UserError(
                f"cannot delete s3://{bucket}/{error['Key']}: {error['Message']}; the files of the"
                " run are not needed"
            )
    return len(versions)


def _delete_partitions(run: VerificationRun) -> int:
    """Delete the partitions of the run, whose files are deleted already.

    A crawl that began before the files were deleted could add the partitions again, so its end is
    awaited.
    """
    glue = run.account.client("glue")
    with suppress(RetryError):  # a partition without files is harmless
        Retrying(
            retry=retry_if_result(lambda response: response["Crawler"]["State"] == "RUNNING"),
            wait=wait_fixed(_CRAWL_POLL_SECONDS),
            stop=stop_after_delay(_CRAWL_TIMEOUT),
        )(glue.get_crawler, Name=f"{run.stack.name}-crawler")
    count = 0
    for table in (*DATASETS, *KPI_TABLES):
        with suppress(glue.exceptions.EntityNotFoundException):
            glue.delete_partition(
                DatabaseName=run.stack.outputs["DatabaseName"],
                TableName=f"history_{table.name}",
                PartitionValues=[run.run_id],
            )
            count += 1
    return count


def _delete_ledger_items(run: VerificationRun) -> int:
    dynamodb = run.account.client("dynamodb")
    keys = [
        run_key(run.run_id),
        notification_item_key(run_published_notification(run.run_id)),
    ]
    responses = [
        dynamodb.delete_item(
            TableName=run.ledger.name, Key={"id": {"S": key}}, ReturnValues="ALL_OLD"
        )
        for key in keys
    ]
    return sum("Attributes" in response for response in responses)
