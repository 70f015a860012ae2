"""What the catalogue, the crawler and the queries are told."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import pytest

from contract import layout
from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from contract.reports import DatasetCounts, TransformationReport
from pipeline.publication import pointer
from pipeline.publication.catalog import QUESTIONS, SQL_FOLDER
from tests.infra.template import resource, resources

CRAWLER = resource("KpiCrawler")
CONFIGURATION: dict[str, Any] = json.loads(CRAWLER["Configuration"])
POINTERS = resource("PublishedRunsTable")["TableInput"]
SAVED = {saved["Name"]: saved for saved in resources("AWS::Athena::NamedQuery").values()}

TIB = 1024**4
DOLLARS_A_TIB = 5


def test_the_crawler_looks_at_every_table_and_nowhere_else() -> None:
    paths = [target["Path"]["Fn::Sub"] for target in CRAWLER["Targets"]["S3Targets"]]
    assert paths == [f"s3://${{DataBucket}}/output/{dataset.name}/" for dataset in DATASETS] + [
        f"s3://${{DataBucket}}/kpi_output/{table.name}/" for table in KPI_TABLES
    ]
    assert CRAWLER["TablePrefix"] == "history_"
    assert CONFIGURATION["Version"] == 1.0
    # bucket, `output`, `users`: runs of another schema stay in their table
    assert CONFIGURATION["Grouping"] == {
        "TableGroupingPolicy": "CombineCompatibleSchemas",
        "TableLevelConfiguration": 3,
    }
    folders = {path.removeprefix("s3://").rstrip("/").count("/") + 1 for path in paths}
    assert folders == {CONFIGURATION["Grouping"]["TableLevelConfiguration"]}


def test_the_crawler_adds_to_tables_and_takes_nothing_away() -> None:
    """Queries over history go on when a run has a column more, or when an old run has expired."""
    assert CRAWLER["SchemaChangePolicy"]["UpdateBehavior"] == "UPDATE_IN_DATABASE"
    assert CRAWLER["SchemaChangePolicy"]["DeleteBehavior"] == "LOG"
    assert CONFIGURATION["CrawlerOutput"] == {
        "Tables": {"AddOrUpdateBehavior": "MergeNewColumns"},
        "Partitions": {"AddOrUpdateBehavior": "InheritFromTable"},
    }


def test_the_crawler_looks_at_a_folder_again_when_the_run_is_repeated() -> None:
    """CRAWL_NEW_FOLDERS_ONLY would pass over what an earlier try of the run has left behind."""
    assert CRAWLER["RecrawlPolicy"]["RecrawlBehavior"] == "CRAWL_EVERYTHING"


def test_the_crawler_makes_no_partition_index() -> None:
    """It does by default, and needs rights for it that its role has not."""
    assert CONFIGURATION["CreatePartitionIndex"] is False


def test_the_pointers_table_has_what_is_counted_of_a_dataset() -> None:
    columns = {
        column["Name"]: column["Type"] for column in POINTERS["StorageDescriptor"]["Columns"]
    }
    counts = [name for name, kind in get_type_hints(DatasetCounts).items() if kind is int]
    fields = "".join(f",{name}:bigint" for name in counts)
    assert columns["datasets"] == f"array<struct<dataset:string{fields}>>"


def test_the_pointers_table_is_where_the_pointers_lie() -> None:
    """The views read `published_runs`; over another folder they would show no run at all."""
    location = POINTERS["StorageDescriptor"]["Location"]
    assert location == {"Fn::Sub": f"s3://${{DataBucket}}/{layout.PUBLISHED_RUNS_PREFIX}"}
    view = (SQL_FOLDER / "current_view.sql").read_text(encoding="utf-8")
    assert f"FROM {POINTERS['Name']})" in view


def test_the_pointers_table_has_the_columns_that_are_written() -> None:
    """A name that is written otherwise is null in every row, and no query says so."""
    told = TransformationReport("run", datasets={}, warnings={}, accepted_revenue="0.00")
    written = pointer._content(pointer.Pointer("run", "", "", ""), "raw/", told)
    assert written.count("\n") == 1
    columns = [column["Name"] for column in POINTERS["StorageDescriptor"]["Columns"]]
    assert columns == list(json.loads(written))
    serde = POINTERS["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"]
    assert serde == "org.openx.data.jsonserde.JsonSerDe"  # one JSON object a line


@pytest.mark.parametrize("name", [*QUESTIONS, "quality"])
def test_a_saved_query_is_the_file_of_sql(name: str) -> None:
    saved = SAVED[name]["QueryString"]
    assert saved == (SQL_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def test_every_question_is_saved_and_nothing_else() -> None:
    parts = {"current_view", "of_run", "row_counts"}  # of statements that the pipeline makes
    files = {path.stem for path in SQL_FOLDER.glob("*.sql")}
    assert set(SAVED) == files - parts


def test_a_query_that_reads_too_much_is_ended_before_it_costs_a_dollar() -> None:
    """And not so early that a question over years of rentals could not be asked."""
    configuration = resource("KpiWorkgroup")["WorkGroupConfiguration"]
    limit = configuration["BytesScannedCutoffPerQuery"]
    assert 0.1 < limit / TIB * DOLLARS_A_TIB < 1
    assert configuration["EnforceWorkGroupConfiguration"] is True  # else whoever asks sets it


def test_the_stack_can_be_deleted_after_questions_were_asked() -> None:
    """A workgroup with a history is not deleted otherwise."""
    assert resource("KpiWorkgroup")["RecursiveDeleteOption"] is True
