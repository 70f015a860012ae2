"""The crawler on a started cloud: what it catalogues, how it lives, and what its role lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import running
from tests.local.lake import COLUMNS, DATABASE, Lake, make_lake, names, parquet

pytestmark = pytest.mark.xdist_group("lake")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with running(tmp_path_factory.mktemp("cloud")) as cloud:
        yield make_lake(cloud)


@pytest.fixture
def lake(deployed: Lake) -> Iterator[Lake]:
    """Without tables and files at the end."""
    yield deployed
    deployed.drop_tables()


def _partitions(lake: Lake, table: str) -> dict[str, str]:
    """Location by run."""
    found = lake.client("glue").get_partitions(DatabaseName=DATABASE, TableName=table)
    return {one["Values"][0]: one["StorageDescriptor"]["Location"] for one in found["Partitions"]}


def _log(lake: Lake, crawl: dict[str, Any]) -> str:
    """What a crawl wrote into its log."""
    events = lake.client("logs").get_log_events(
        logGroupName=crawl["LogGroup"], logStreamName=crawl["LogStream"]
    )["events"]
    lines = [event["message"] for event in events if crawl["MessagePrefix"] in event["message"]]
    return "\n".join(lines)


def test_a_table_is_catalogued_with_the_contracts_types(lake: Lake) -> None:
    for table in COLUMNS:
        lake.put_rows(table, "r1")
    crawl = lake.crawl()
    assert crawl["Status"] == "SUCCEEDED"
    assert "ErrorMessage" not in crawl
    for name, columns in COLUMNS.items():
        found = lake.table(f"history_{name}")
        assert names(found["StorageDescriptor"]["Columns"]) == columns
        assert names(found["PartitionKeys"]) == {"run_id": "string"}
        assert found["Parameters"]["classification"] == "parquet"
        (location,) = _partitions(lake, f"history_{name}").values()
        assert location.endswith(f"/{name}/run_id=r1/")


def test_each_crawl_adds_the_new_partitions(lake: Lake) -> None:
    lake.put_rows("users", "r1")
    first = lake.crawl()
    lake.put_rows("users", "r2")
    second = lake.crawl()
    assert list(_partitions(lake, "history_users")) == ["r1", "r2"]
    assert second["StartTime"] > first["StartTime"]
    assert "1 partitions created" in _log(lake, second)


def test_what_hive_hides_and_what_is_no_parquet_is_left_out(lake: Lake) -> None:
    lake.put_rows("users", "r1")
    for name in ("_SUCCESS", ".part.crc", "_temporary/0/part.parquet"):
        lake.put(f"output/users/run_id=r1/{name}", b"no Parquet")
    lake.put("output/users/run_id=r2/notes.txt", b"no Parquet either")
    crawl = lake.crawl()
    assert crawl["Status"] == "SUCCEEDED"
    assert list(_partitions(lake, "history_users")) == ["r1"]
    assert "run_id=r2/notes.txt is not a Parquet file" in _log(lake, crawl)
    assert "_SUCCESS" not in _log(lake, crawl)


def test_a_new_column_is_merged_and_the_partitions_inherit_it(lake: Lake) -> None:
    lake.put_rows("user_metrics", "r1")
    lake.crawl()
    wider = {**COLUMNS["user_metrics"], "first_name": "string", "email": "string"}
    lake.put("kpi_output/user_metrics/run_id=r2/a.parquet", parquet(wider))
    lake.crawl()
    table = lake.table("history_user_metrics")
    assert names(table["StorageDescriptor"]["Columns"]) == wider
    found = lake.client("glue").get_partitions(
        DatabaseName=DATABASE, TableName="history_user_metrics"
    )["Partitions"]
    assert [names(one["StorageDescriptor"]["Columns"]) for one in found] == [wider, wider]


def test_a_column_of_another_type_is_reported_and_the_tables_type_kept(lake: Lake) -> None:
    lake.put_rows("daily_metrics", "r1")
    lake.crawl()
    other = {**COLUMNS["daily_metrics"], "unique_users": "string"}
    lake.put("kpi_output/daily_metrics/run_id=r2/a.parquet", parquet(other))
    crawl = lake.crawl()
    table = lake.table("history_daily_metrics")
    assert crawl["Status"] == "SUCCEEDED"
    assert names(table["StorageDescriptor"]["Columns"])["unique_users"] == "bigint"
    assert "schema drift: column unique_users is string" in _log(lake, crawl)


def test_a_partition_that_is_gone_is_logged_and_kept(lake: Lake) -> None:
    for run in ("r1", "r2"):
        lake.put_rows("users", run)
    lake.crawl()
    lake.client("s3").delete_object(Bucket=lake.bucket, Key="output/users/run_id=r1/part-0.parquet")
    crawl = lake.crawl()
    assert list(_partitions(lake, "history_users")) == ["r1", "r2"]
    assert "partition r1 is gone" in _log(lake, crawl)


def test_folders_of_unlike_schema_become_odd_tables(lake: Lake) -> None:
    lake.put("output/users/run_id=r1/a.parquet", parquet({"a": "bigint", "b": "string"}))
    lake.put("output/users/run_id=r2/a.parquet", parquet({"c": "bigint", "d": "string"}))
    crawl = lake.crawl()
    tables = lake.client("glue").get_tables(DatabaseName=DATABASE)["TableList"]
    assert {table["Name"] for table in tables} == {
        "published_runs",
        "history_run_id_r1",
        "history_run_id_r2",
    }
    assert "folders of unlike schema" in _log(lake, crawl)


def test_it_cannot_be_started_twice_nor_stopped_when_it_does_not_run(lake: Lake) -> None:
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
    crawl = lake.crawled()
    assert crawl["Status"] == "CANCELLED"
    assert lake.crawl()["Status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("sid", "named"),
    [
        ("Tables", "s3:GetObject"),
        ("Bucket", "s3:ListBucket"),
        ("Catalogue", "glue:GetDatabase"),
        ("Log", "logs:CreateLogGroup"),
    ],
)
def test_what_its_role_may_not_do_fails_the_crawl(lake: Lake, sid: str, named: str) -> None:
    lake.put_rows("users", "r1")
    with lake.without("CrawlerRole", sid):
        crawl = lake.crawl()
    assert crawl["Status"] == "FAILED"
    assert named in crawl["ErrorMessage"]


def test_the_state_machine_may_start_it_and_nothing_else_of_glue(lake: Lake) -> None:
    """A crawler's name is the resource of the calls to it."""
    arn = f"arn:aws:glue:{lake.cloud.region}:000000000000:crawler/{lake.crawler}"
    allowed = {"Effect": "Allow", "Action": ["glue:StartCrawler", "glue:GetCrawler"]}
    client = lake.session({"Version": "2012-10-17", "Statement": [{**allowed, "Resource": arn}]})
    client("glue").start_crawler(Name=lake.crawler)
    lake.crawled()
    assert client("glue").get_crawler(Name=lake.crawler)["Crawler"]["Name"] == lake.crawler
    with pytest.raises(ClientError, match="AccessDeniedException"):
        client("glue").get_crawler(Name="another")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        client("glue").get_table(DatabaseName=DATABASE, Name="published_runs")
