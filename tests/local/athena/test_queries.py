"""Tests of Athena on a local cloud: views, results, and the API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import chain
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from contract.layout import publication_key
from pipeline.publication.questions import SQL_FOLDER
from tests.local.support.lake import COLUMNS, DATABASE, Lake, build_parquet, get_column_types
from tests.local.support.two_runs import OTHER_RUN, PUBLISHED_RUN, lake_with_two_runs
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("lake")

SQL = {path.stem: path.read_text("utf-8") for path in SQL_FOLDER.iterdir()}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with lake_with_two_runs(tmp_path_factory.mktemp("cloud")) as lake:
        yield lake


@pytest.mark.parametrize("name", ["totals", "top_locations", "vehicle_types", "recent_days"])
def test_views_show_published_run(lake: Lake, name: str) -> None:
    (_, row) = lake.query(SQL[name])
    assert "201.00" in row


def test_new_pointer_changes_all_views_at_once(lake: Lake) -> None:
    sql = """
    SELECT total_revenue FROM transaction_metrics
    UNION ALL SELECT total_spending FROM user_metrics
    """
    assert lake.query(sql)[1:] == [("201.00",), ("201.00",)]
    published_at = "2026-11-24T08:00:00.000000Z"
    lake.put_publication_record(OTHER_RUN, published_at)
    try:
        assert lake.query(sql)[1:] == [("1999.98",), ("1999.98",)]
    finally:
        lake.client("s3").delete_object(
            Bucket=lake.bucket, Key=publication_key(published_at, OTHER_RUN)
        )


def test_quality_query_shows_published_run(lake: Lake) -> None:
    assert lake.query(SQL["quality"]) == [
        ("dataset", "rows_read", "accepted", "rejected", "percent_rejected", "main_reasons"),
        ("rentals", "3", "2", "1", "33.33", "missing_user_id 1"),
    ]


def test_view_is_stored_in_catalog_in_athenas_format(lake: Lake) -> None:
    table = lake.get_table("rentals")
    assert table["TableType"] == "VIRTUAL_VIEW"
    assert table["ViewOriginalText"].startswith("/* Presto View: ")
    assert table["ViewExpandedText"] == "/* Presto View */"
    assert table["Parameters"]["presto_view"] == "true"
    assert get_column_types(table["StorageDescriptor"]["Columns"]) == COLUMNS["rentals"]


# --- Tables and results ----------------------------------------------------------------------


def test_uncataloged_partition_is_not_read(lake: Lake) -> None:
    lake.put_rows("locations", "uncatalogued", {"location_id": "1"})
    assert lake.query("SELECT COUNT(*) FROM history_locations")[1] == ("0",)


def test_query_scans_only_selected_partitions(lake: Lake) -> None:
    all_runs = lake.run_query("SELECT * FROM history_rentals")["Statistics"]["DataScannedInBytes"]
    one_run = lake.run_query(
        "SELECT * FROM history_rentals h WHERE h.run_id = ? AND 1 = 1", PUBLISHED_RUN
    )
    assert 0 < one_run["Statistics"]["DataScannedInBytes"] < all_runs


def test_inner_query_can_use_table_of_outer_query(lake: Lake) -> None:
    sql = """
    WITH users AS (SELECT user_id FROM user_metrics)
    SELECT h.run_id FROM rental_kpi.history_user_metrics h
    WHERE EXISTS (SELECT 1 FROM users WHERE users.user_id = h.user_id) AND h.run_id <> ?
    """
    assert lake.query(sql, PUBLISHED_RUN)[1:] == [(OTHER_RUN,)]
    qualified = "SELECT rental_kpi.user_metrics.user_id FROM rental_kpi.user_metrics"
    assert lake.query(qualified)[1:] == [("0012",)]


def test_missing_columns_are_null_and_narrower_types_are_read(lake: Lake) -> None:
    narrow = {"rental_date": "date", "total_transactions": "int", "other": "string"}
    row = {"rental_date": date(2026, 1, 1), "total_transactions": 3, "other": "x"}
    with lake.custom_table("daily_metrics", build_parquet(narrow, row)):
        header, values = lake.query("SELECT * FROM custom")
    assert header == tuple(COLUMNS["daily_metrics"])
    assert values == ("2026-01-01", "3", None, None, None, None, None)


def test_incompatible_type_in_file_fails_query(lake: Lake) -> None:
    with lake.custom_table("users", build_parquet({"user_id": "bigint"}, {"user_id": 1})):
        reason = lake.get_failure_reason("SELECT * FROM custom")
    assert reason.startswith("HIVE_BAD_DATA: Field user_id's type bigint in parquet file s3://")


def test_result_has_athenas_types_and_values(lake: Lake) -> None:
    sql = """
    SELECT total_amount, CAST(1 AS bigint) AS big, SUM(1) AS total, 7 / 2 AS halves, rental_id,
        rental_start_time, DATE '2026-01-02' AS day, total_amount > 1 AS is_more, 1e10 AS wide,
        ARRAY[1, NULL] AS list, CAST(NULL AS varchar) AS nothing, '' AS empty, COUNT(*)
    FROM rentals WHERE rental_id = '1' GROUP BY 1, 5, 6
    """
    execution = lake.run_query(sql)
    result = lake.client("athena").get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    columns = result["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    header, row = result["ResultSet"]["Rows"]
    assert [
        (column["Name"], column["Type"], column["Precision"], column["Scale"]) for column in columns
    ] == [
        ("total_amount", "decimal", 12, 2),
        ("big", "bigint", 19, 0),
        ("total", "bigint", 19, 0),
        ("halves", "integer", 10, 0),
        ("rental_id", "varchar", 2147483647, 0),
        ("rental_start_time", "timestamp", 3, 0),
        ("day", "date", 0, 0),
        ("is_more", "boolean", 0, 0),
        ("wide", "double", 17, 0),
        ("list", "array", 0, 0),
        ("nothing", "varchar", 2147483647, 0),
        ("empty", "varchar", 2147483647, 0),
        ("_col12", "bigint", 19, 0),
    ]
    names = [column["Name"] for column in columns]
    assert [value["VarCharValue"] for value in header["Data"]] == names
    assert [value.get("VarCharValue") for value in row["Data"]] == [
        "100.50",
        "1",
        "1",
        "3",
        "1",
        "2026-11-01 10:00:00.000",
        "2026-01-02",
        "true",
        "1.0E10",
        "[1, null]",
        None,
        "",
        "1",
    ]


# --- The API ---------------------------------------------------------------------------------


def test_page_of_results_has_1000_rows_including_header(lake: Lake) -> None:
    athena = lake.client("athena")
    execution = lake.run_query("SELECT n FROM UNNEST(SEQUENCE(1, 2500)) AS numbers (n) ORDER BY n")
    pages = [
        [row["Data"][0]["VarCharValue"] for row in page["ResultSet"]["Rows"]]
        for page in athena.get_paginator("get_query_results").paginate(
            QueryExecutionId=execution["QueryExecutionId"]
        )
    ]
    assert [len(page) for page in pages] == [1000, 1000, 501]
    assert list(chain(*pages)) == ["n", *map(str, range(1, 2501))]
    with pytest.raises(ClientError, match="MaxResults"):
        athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"], MaxResults=1001)


def test_workgroup_sets_location_and_encryption_of_result(lake: Lake) -> None:
    other_location = {"OutputLocation": "s3://another/"}
    execution = lake.run_query(
        "SELECT 1 AS one, CAST(NULL AS varchar)", ResultConfiguration=other_location
    )
    key = f"athena_results/{execution['QueryExecutionId']}.csv"
    assert execution["ResultConfiguration"]["OutputLocation"] == f"s3://{lake.bucket}/{key}"
    result = lake.client("s3").get_object(Bucket=lake.bucket, Key=key)
    assert result["Body"].read() == b'"one","_col1"\n"1",\n'
    assert result["ServerSideEncryption"] == "aws:kms"


def test_repeated_client_request_token_starts_one_query(lake: Lake) -> None:
    athena, token = lake.client("athena"), str(uuid4())
    request = {"QueryString": "SELECT 1", "ClientRequestToken": token, "WorkGroup": lake.workgroup}
    first, second = (athena.start_query_execution(**request) for _ in range(2))
    assert first["QueryExecutionId"] == second["QueryExecutionId"]
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        athena.start_query_execution(**{**request, "QueryString": "SELECT 2"})


def test_stopped_query_is_canceled(lake: Lake) -> None:
    athena = lake.client("athena")
    slow_query = """
    SELECT COUNT(*) FROM UNNEST(SEQUENCE(1, 200000)) a (x), UNNEST(SEQUENCE(1, 200000)) b (y)
    WHERE x * y % 7 = 3
    """
    query_id = athena.start_query_execution(QueryString=slow_query, WorkGroup=lake.workgroup)[
        "QueryExecutionId"
    ]
    with pytest.raises(ClientError, match="has not yet finished"):
        athena.get_query_results(QueryExecutionId=query_id)
    athena.stop_query_execution(QueryExecutionId=query_id)
    status = lake.wait_for_query(query_id)["Status"]
    assert status["State"] == "CANCELLED"
    # Written when the query has really ended. Without the stop, it would run for minutes.
    assert wait_until(lambda: bool(lake.wait_for_query(query_id)["Statistics"]), 20)
    athena.stop_query_execution(QueryExecutionId=query_id)
    with pytest.raises(ClientError, match="Final query state: CANCELLED"):
        athena.get_query_results(QueryExecutionId=query_id)


def test_query_over_scan_limit_is_canceled(lake: Lake) -> None:
    athena, limit = lake.client("athena"), 10_000_000
    configuration = {
        "ResultConfiguration": {"OutputLocation": f"s3://{lake.bucket}/athena_results"},
        "BytesScannedCutoffPerQuery": limit,
    }
    athena.create_work_group(Name="small", Configuration=configuration)
    with lake.custom_table("users", bytes(limit + 1)):
        execution = lake.run_query("SELECT * FROM custom", WorkGroup="small")
    assert execution["Status"]["State"] == "CANCELLED"
    assert execution["Status"]["StateChangeReason"] == "Bytes scanned limit was exceeded"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC 1", "line 1:7: mismatched input '1'"),
        ("SELECT *\nFROM WHERE", "line 2:6: mismatched input 'WHERE'"),
        ("CREATE VIEW v (one) AS SELECT 1", "Queries of this type are not supported"),
        ("MSCK REPAIR TABLE rentals", "Queries of this type are not supported"),
        ("SELECT 1; SELECT 2", "Only one sql statement is allowed"),
    ],
)
def test_invalid_query_is_rejected_at_once(lake: Lake, sql: str, message: str) -> None:
    with pytest.raises(ClientError, match="InvalidRequestException") as error:
        lake.run_query(sql)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (
            "SELECT * FROM nothing",
            "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.rental_kpi.nothing' does not exist",
        ),
        ("SELECT * FROM no.rentals", "SCHEMA_NOT_FOUND: line 1:15: Schema 'no' does not exist"),
        (
            "SELECT rental_id,\n  price FROM rentals",
            "COLUMN_NOT_FOUND: line 2:3: Column 'price' cannot be resolved or requester",
        ),
        ("SELECT nope(1)", "FUNCTION_NOT_FOUND: line 1:1: Function 'nope' not registered"),
        ("SELECT CAST('x' AS integer)", "INVALID_CAST_ARGUMENT: "),
        ("SELECT 1 / 0", "DIVISION_BY_ZERO: "),
        ("SELECT ?", "INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters"),
        ("SELECT rental_id, COUNT(*) FROM rentals", "SYNTAX_ERROR: "),
        ("CREATE VIEW rentals AS SELECT 1 AS one", "View already exists: "),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "MISSING_COLUMN_NAME: "),
        ("CREATE OR REPLACE VIEW published_runs AS SELECT 1 AS one", "NOT_SUPPORTED: "),
    ],
)
def test_query_fails_with_athenas_reason(lake: Lake, sql: str, reason: str) -> None:
    execution = lake.run_query(sql)
    assert execution["Status"]["State"] == "FAILED"
    assert execution["Status"]["StateChangeReason"].startswith(reason)
    error = execution["Status"]["AthenaError"]
    assert (error["ErrorCategory"], error["Retryable"]) == (2, False)
    with pytest.raises(ClientError, match="Final query state: FAILED"):
        lake.client("athena").get_query_results(QueryExecutionId=execution["QueryExecutionId"])


def test_parameter_must_be_constant_sql(lake: Lake) -> None:
    request = {"ExecutionParameters": ["DATE '2026-11-01'"]}
    execution = lake.run_query(
        "SELECT COUNT(*) FROM daily_metrics WHERE rental_date = ?", **request
    )
    assert execution["Status"]["State"] == "SUCCEEDED"
    execution = lake.run_query("SELECT ?", ExecutionParameters=["run"])
    assert "Constant expression cannot contain column" in execution["Status"]["StateChangeReason"]


def test_concurrent_change_of_view_fails(lake: Lake) -> None:
    """publish_results retries after these errors."""
    athena = lake.client("athena")
    query_ids = [
        athena.start_query_execution(
            QueryString=f"CREATE OR REPLACE VIEW contested AS SELECT {number} AS one",
            QueryExecutionContext={"Database": DATABASE},
            WorkGroup=lake.workgroup,
        )["QueryExecutionId"]
        for number in range(8)
    ]
    statuses = [lake.wait_for_query(query_id)["Status"] for query_id in query_ids]
    assert {"SUCCEEDED"} <= {status["State"] for status in statuses}
    for status in statuses:
        if status["State"] == "FAILED":
            reason = status["StateChangeReason"]
            assert "ConcurrentModification" in reason or "AlreadyExists" in reason
    lake.query("SELECT one FROM contested")
    assert lake.run_query("DROP VIEW contested")["Status"]["State"] == "SUCCEEDED"
    assert "TABLE_NOT_FOUND" in lake.get_failure_reason("SELECT one FROM contested")
