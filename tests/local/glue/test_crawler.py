"""Tests of the crawler on a local cloud: its tables, its states, and its permissions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import ANY

import pytest
from botocore.exceptions import ClientError

from local.cloud import running
from tests.local.support.lake import (
    COLUMNS,
    DATABASE,
    Lake,
    build_parquet,
    deploy_lake,
    get_column_types,
)

pytestmark = pytest.mark.xdist_group("lake")


@pytest.fixture(scope="module")
def deployed_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with running(tmp_path_factory.mktemp("cloud")) as cloud:
        yield deploy_lake(cloud)


@pytest.fixture
def lake(deployed_lake: Lake) -> Iterator[Lake]:
    """The lake. Its tables and files are deleted after the test."""
    yield deployed_lake
    deployed_lake.delete_tables()


def get_partition_locations(lake: Lake, table: str) -> dict[str, str]:
    """Return the location of each partition, by run ID."""
    response = lake.client("glue").get_partitions(DatabaseName=DATABASE, TableName=table)
    return {
        partition["Values"][0]: partition["StorageDescriptor"]["Location"]
        for partition in response["Partitions"]
    }


def read_log(lake: Lake, crawl: dict[str, Any]) -> str:
    """Return the log of a crawl."""
    events = lake.client("logs").get_log_events(
        logGroupName=crawl["LogGroup"], logStreamName=crawl["LogStream"]
    )["events"]
    lines = [event["message"] for event in events if crawl["MessagePrefix"] in event["message"]]
    return "\n".join(lines)


def test_tables_have_types_of_contract(lake: Lake) -> None:
    for name in COLUMNS:
        lake.put_rows(name, "r1")
    crawl = lake.crawl()
    assert crawl["Status"] == "SUCCEEDED"
    assert "ErrorMessage" not in crawl
    for name, columns in COLUMNS.items():
        table = lake.get_table(f"history_{name}")
        assert get_column_types(table["StorageDescriptor"]["Columns"]) == columns
        assert get_column_types(table["PartitionKeys"]) == {"run_id": "string"}
        assert table["Parameters"]["classification"] == "parquet"
        (location,) = get_partition_locations(lake, f"history_{name}").values()
        assert location.endswith(f"/{name}/run_id=r1/")


def test_crawl_adds_new_partitions(lake: Lake) -> None:
    lake.put_rows("users", "r1")
    first = lake.crawl()
    lake.put_rows("users", "r2")
    second = lake.crawl()
    assert list(get_partition_locations(lake, "history_users")) == ["r1", "r2"]
    assert second["StartTime"] > first["StartTime"]
    assert "created partitions: 1," in read_log(lake, second)


SPARK_FILES = (
    "run_id=r1/_SUCCESS",
    "run_id=r1_$folder$",
    "run_id=r1/_temporary/0/task/part-0.parquet",
    "run_id=r1/__magic_job-1/tasks/part-0.parquet.pending",
    "_SUCCESS",
    "_temporary/0/part-0.parquet",
    "__magic/part-0.parquet",
)
"""What Spark and its committers write beside the data, relative to the folder of a table."""


def put_spark_file(lake: Lake, name: str) -> None:
    """Write an object as S3A and its committers do: `_$folder$` is empty, `_SUCCESS` is JSON."""
    content = b"" if name.endswith("$folder$") else b'{"committer": "magic"}'
    lake.put(f"output/users/{name}", content)


def get_table_names(lake: Lake) -> set[str]:
    tables = lake.client("glue").get_tables(DatabaseName=DATABASE)["TableList"]
    return {table["Name"] for table in tables} - {"published_runs"}


def test_crawl_leaves_out_what_spark_writes_beside_the_data(lake: Lake) -> None:
    lake.put_rows("users", "r1")
    for name in SPARK_FILES:
        put_spark_file(lake, name)
    crawl = lake.crawl()
    assert crawl["Status"] == "SUCCEEDED"
    assert get_table_names(lake) == {"history_users"}
    assert list(get_partition_locations(lake, "history_users")) == ["r1"]
    assert "WARN" not in read_log(lake, crawl)


@pytest.mark.parametrize("name", SPARK_FILES)
def test_without_exclusions_a_file_in_another_format_splits_the_table(
    lake: Lake, name: str
) -> None:
    """As with Glue: the files of one table must have the same format."""
    lake.put_rows("users", "r1")
    put_spark_file(lake, name)
    with lake.without_exclusions():
        crawl = lake.crawl()
    assert "different schemas or formats" in read_log(lake, crawl)
    tables = get_table_names(lake)
    assert "history_users" not in tables
    assert len(tables) == 2


def test_file_in_another_format_that_is_not_excluded_becomes_a_table(lake: Lake) -> None:
    lake.put_rows("users", "r1")
    lake.put("output/users/run_id=r2/notes.txt", b"not Parquet")
    crawl = lake.crawl()
    assert crawl["Status"] == "SUCCEEDED"
    assert get_table_names(lake) == {"history_run_id_r1", "history_notes_txt"}
    assert lake.get_table("history_notes_txt")["Parameters"]["classification"] == "UNKNOWN"
    assert "run_id=r2/notes.txt is not a Parquet file" in read_log(lake, crawl)


def test_folder_marker_of_the_console_is_no_file(lake: Lake) -> None:
    lake.put_rows("users", "r1")
    lake.put("output/users/", b"")
    lake.crawl()
    assert get_table_names(lake) == {"history_users"}


def test_new_column_is_merged_and_inherited_by_partitions(lake: Lake) -> None:
    lake.put_rows("user_metrics", "r1")
    lake.crawl()
    columns = {**COLUMNS["user_metrics"], "first_name": "string", "email": "string"}
    lake.put("kpi_output/user_metrics/run_id=r2/a.parquet", build_parquet(columns))
    lake.crawl()
    table = lake.get_table("history_user_metrics")
    assert get_column_types(table["StorageDescriptor"]["Columns"]) == columns
    partitions = lake.client("glue").get_partitions(
        DatabaseName=DATABASE, TableName="history_user_metrics"
    )["Partitions"]
    assert [
        get_column_types(partition["StorageDescriptor"]["Columns"]) for partition in partitions
    ] == [columns, columns]


def test_changed_type_is_logged_and_table_keeps_its_type(lake: Lake) -> None:
    lake.put_rows("daily_metrics", "r1")
    lake.crawl()
    columns = {**COLUMNS["daily_metrics"], "unique_users": "string"}
    lake.put("kpi_output/daily_metrics/run_id=r2/a.parquet", build_parquet(columns))
    crawl = lake.crawl()
    table = lake.get_table("history_daily_metrics")
    assert crawl["Status"] == "SUCCEEDED"
    assert get_column_types(table["StorageDescriptor"]["Columns"])["unique_users"] == "bigint"
    assert "schema drift: column unique_users is string" in read_log(lake, crawl)


def test_deleted_partition_is_logged_and_stays_in_catalog(lake: Lake) -> None:
    for run in ("r1", "r2"):
        lake.put_rows("users", run)
    lake.crawl()
    lake.client("s3").delete_object(Bucket=lake.bucket, Key="output/users/run_id=r1/part-0.parquet")
    crawl = lake.crawl()
    assert list(get_partition_locations(lake, "history_users")) == ["r1", "r2"]
    assert "partition r1 no longer exists in S3" in read_log(lake, crawl)


def test_folders_with_different_schemas_become_separate_tables(lake: Lake) -> None:
    lake.put("output/users/run_id=r1/a.parquet", build_parquet({"a": "bigint", "b": "string"}))
    lake.put("output/users/run_id=r2/a.parquet", build_parquet({"c": "bigint", "d": "string"}))
    crawl = lake.crawl()
    assert get_table_names(lake) == {"history_run_id_r1", "history_run_id_r2"}
    assert "have different schemas" in read_log(lake, crawl)


def test_start_and_stop_depend_on_state(lake: Lake) -> None:
    glue = lake.client("glue")
    with pytest.raises(ClientError, match="CrawlerNotRunningException"):
        glue.stop_crawler(Name=lake.crawler)
    for run in range(20):
        lake.put_rows("users", f"r{run}")
    glue.start_crawler(Name=lake.crawler)
    assert glue.get_crawler(Name=lake.crawler)["Crawler"]["State"] == "RUNNING"
    with pytest.raises(ClientError, match="CrawlerRunningException"):
        glue.start_crawler(Name=lake.crawler)
    glue.stop_crawler(Name=lake.crawler)
    with pytest.raises(ClientError, match="CrawlerRunningException"):
        glue.start_crawler(Name=lake.crawler)
    crawl = lake.wait_for_crawl()
    assert crawl["Status"] == "CANCELLED"
    assert lake.crawl()["Status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("sid", "action"),
    [
        ("ReadTables", "s3:GetObject"),
        ("ListBucket", "s3:ListBucket"),
        ("UpdateHistoryTables", "glue:GetDatabase"),
        ("WriteCrawlerLogs", "logs:CreateLogGroup"),
        ("ReadSecurityConfiguration", "glue:GetSecurityConfiguration"),
    ],
)
def test_missing_permission_of_role_fails_crawl(lake: Lake, sid: str, action: str) -> None:
    lake.put_rows("users", "r1")
    with lake.without_statement("CrawlerRole", sid):
        crawl = lake.crawl()
    assert crawl["Status"] == "FAILED"
    assert action in crawl["ErrorMessage"]


def test_crawler_needs_permission_to_set_the_key_of_its_log_group(lake: Lake) -> None:
    with lake.without_action("CrawlerRole", "logs:AssociateKmsKey"):
        crawl = lake.crawl()
    assert crawl["Status"] == "FAILED"
    assert "logs:AssociateKmsKey" in crawl["ErrorMessage"]


def test_crawler_writes_to_the_encrypted_log_group_of_the_template(lake: Lake) -> None:
    """A log group with another name would be created without encryption and retention."""
    logs = lake.client("logs")
    name = lake.get_physical_id("CrawlerLogGroup")
    [group] = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    crawl = lake.crawl()
    assert crawl["LogGroup"] == name
    assert "Crawl ended with status SUCCEEDED" in read_log(lake, crawl)
    assert group["kmsKeyId"]
    assert group["retentionInDays"] == 90
    assert logs.describe_log_groups(logGroupNamePrefix="/aws-glue/crawlers")["logGroups"] == [
        {**group, "storedBytes": ANY}
    ]


def test_permission_for_crawler_covers_only_that_crawler(lake: Lake) -> None:
    arn = f"arn:aws:glue:{lake.cloud.region}:000000000000:crawler/{lake.crawler}"
    statement = {
        "Effect": "Allow",
        "Action": ["glue:StartCrawler", "glue:GetCrawler"],
        "Resource": arn,
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    create_client = lake.assume_role_with_policy(policy)
    create_client("glue").start_crawler(Name=lake.crawler)
    lake.wait_for_crawl()
    assert create_client("glue").get_crawler(Name=lake.crawler)["Crawler"]["Name"] == lake.crawler
    with pytest.raises(ClientError, match="AccessDeniedException"):
        create_client("glue").get_crawler(Name="another")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        create_client("glue").get_table(DatabaseName=DATABASE, Name="published_runs")
