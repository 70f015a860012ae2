"""The Glue catalog, the crawler, and the Athena queries."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import pytest

from contract import layout
from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from contract.reports import DatasetCounts, TransformationReport
from pipeline.ledger.batch import Run
from pipeline.publication.day_changes import DayChanges
from pipeline.publication.publication_records import format_record
from pipeline.publication.questions import QUESTIONS, SQL_FOLDER
from tests.infra.support.template import resource, resources, template

CRAWLER = resource("KpiCrawler")
CONFIGURATION: dict[str, Any] = json.loads(CRAWLER["Configuration"])
PUBLISHED_RUNS = resource("PublishedRunsTable")["TableInput"]
SAVED_QUERIES = {query["Name"]: query for query in resources("AWS::Athena::NamedQuery").values()}

TIB = 1024**4
USD_PER_TIB = 5


def test_crawler_targets_every_table_and_nothing_else() -> None:
    paths = [target["Path"]["Fn::Sub"] for target in CRAWLER["Targets"]["S3Targets"]]
    assert paths == [f"s3://${{DataBucket}}/output/{dataset.name}/" for dataset in DATASETS] + [
        f"s3://${{DataBucket}}/kpi_output/{table.name}/" for table in KPI_TABLES
    ]
    assert CRAWLER["TablePrefix"] == "history_"
    assert CONFIGURATION["Version"] == 1.0
    # Level 3 is the table: bucket, `output`, `users`. Runs with other columns stay in their table.
    assert CONFIGURATION["Grouping"] == {
        "TableGroupingPolicy": "CombineCompatibleSchemas",
        "TableLevelConfiguration": 3,
    }
    folders = {path.removeprefix("s3://").rstrip("/").count("/") + 1 for path in paths}
    assert folders == {CONFIGURATION["Grouping"]["TableLevelConfiguration"]}


def test_every_target_excludes_what_spark_writes_beside_the_data() -> None:
    exclusions = [target["Exclusions"] for target in CRAWLER["Targets"]["S3Targets"]]
    names = ["CrawlerExclusions", "AllTables", "Patterns"]
    assert exclusions == [{"Fn::FindInMap": names}] * len(exclusions)
    patterns = template()["Mappings"]["CrawlerExclusions"]["AllTables"]["Patterns"]
    for name in ("_SUCCESS", "_$folder$", "_temporary/", "__magic*/"):
        assert any(name in pattern for pattern in patterns)


def test_crawler_adds_columns_and_deletes_nothing() -> None:
    """Queries of the history keep working when a run adds a column or an old run expires."""
    assert CRAWLER["SchemaChangePolicy"]["UpdateBehavior"] == "UPDATE_IN_DATABASE"
    assert CRAWLER["SchemaChangePolicy"]["DeleteBehavior"] == "LOG"
    assert CONFIGURATION["CrawlerOutput"] == {
        "Tables": {"AddOrUpdateBehavior": "MergeNewColumns"},
        "Partitions": {"AddOrUpdateBehavior": "InheritFromTable"},
    }


def test_crawler_crawls_all_folders() -> None:
    """CRAWL_NEW_FOLDERS_ONLY would skip folders that an earlier attempt of a run created."""
    assert CRAWLER["RecrawlPolicy"]["RecrawlBehavior"] == "CRAWL_EVERYTHING"


def test_crawler_creates_no_partition_index() -> None:
    """It would by default, which requires permissions that its role does not have."""
    assert CONFIGURATION["CreatePartitionIndex"] is False


def test_logs_of_the_crawler_are_encrypted() -> None:
    configuration = resource("CrawlerSecurityConfiguration")
    assert CRAWLER["CrawlerSecurityConfiguration"] == {"Ref": "CrawlerSecurityConfiguration"}
    encryption = configuration["EncryptionConfiguration"]["CloudWatchEncryption"]
    key = {"Fn::GetAtt": ["DataKey", "Arn"]}
    assert encryption == {"CloudWatchEncryptionMode": "SSE-KMS", "KmsKeyArn": key}
    group = resource("CrawlerLogGroup")
    assert group["KmsKeyId"] == key
    # The policy of the crawler's role matches this end of the name.
    assert configuration["Name"] == {"Fn::Sub": "${AWS::StackName}-crawler-logs"}
    assert group["LogGroupName"]["Fn::Sub"].endswith("-${CrawlerSecurityConfiguration}")


def test_published_runs_table_has_all_counts_of_a_dataset() -> None:
    columns = {
        column["Name"]: column["Type"] for column in PUBLISHED_RUNS["StorageDescriptor"]["Columns"]
    }
    counts = [name for name, hint in get_type_hints(DatasetCounts).items() if hint is int]
    fields = "".join(f",{name}:bigint" for name in counts)
    assert columns["datasets"] == f"array<struct<dataset:string{fields}>>"


def test_published_runs_table_reads_the_publication_records() -> None:
    """The views read `published_runs`. With another location, they would not show any run."""
    location = PUBLISHED_RUNS["StorageDescriptor"]["Location"]
    assert location == {"Fn::Sub": f"s3://${{DataBucket}}/{layout.PUBLISHED_RUNS_PREFIX}"}
    view = (SQL_FOLDER / "published_view.sql").read_text(encoding="utf-8")
    assert f"FROM {PUBLISHED_RUNS['Name']})" in view


def test_published_runs_table_has_the_fields_of_publication_records() -> None:
    """A column without a field of the same name would silently be null in every row."""
    report = TransformationReport("run", datasets={}, warnings={}, accepted_revenue="0.00")
    written = format_record(Run("run", "raw/", "", ()), "", report, DayChanges())
    assert written.count("\n") == 1
    columns = [column["Name"] for column in PUBLISHED_RUNS["StorageDescriptor"]["Columns"]]
    assert columns == list(json.loads(written))
    serde = PUBLISHED_RUNS["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"]
    assert serde == "org.openx.data.jsonserde.JsonSerDe"  # one JSON object per line


@pytest.mark.parametrize("name", [*(question.name for question in QUESTIONS), "quality"])
def test_saved_query_is_identical_to_its_sql_file(name: str) -> None:
    assert SAVED_QUERIES[name]["QueryString"] == (SQL_FOLDER / f"{name}.sql").read_text(
        encoding="utf-8"
    )


def test_every_question_and_nothing_else_is_a_saved_query() -> None:
    of_the_pipeline = {
        *("published_view", "single_run", "row_counts"),
        *("week", "week_types", "day_changes", "day_history"),  # with parameters
    }
    files = {path.stem for path in SQL_FOLDER.glob("*.sql")}
    assert set(SAVED_QUERIES) == files - of_the_pipeline


def test_query_is_canceled_before_it_costs_a_dollar() -> None:
    """The limit still allows queries over years of rentals."""
    configuration = resource("KpiWorkgroup")["WorkGroupConfiguration"]
    limit = configuration["BytesScannedCutoffPerQuery"]
    assert 0.1 < limit / TIB * USD_PER_TIB < 1
    assert configuration["EnforceWorkGroupConfiguration"] is True  # Otherwise, clients override it.


def test_workgroup_is_deleted_with_its_query_history() -> None:
    """Otherwise, deleting the stack would fail after the first query."""
    assert resource("KpiWorkgroup")["RecursiveDeleteOption"] is True
