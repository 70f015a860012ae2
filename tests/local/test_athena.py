"""Athena on a started cloud: the project's own SQL, the API, and what whoever asks may not do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import chain
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from pipeline.publication.catalog import questions, row_counts
from tests.functional.test_sql import FILES
from tests.local.lake import COLUMNS, DATABASE, Lake, names, parquet
from tests.local.two_runs import OTHER, RUN, two_runs
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("lake")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with two_runs(tmp_path_factory.mktemp("cloud")) as lake:
        yield lake


# --- the project's own SQL -------------------------------------------------------------------


def test_the_row_counts_of_a_run_are_its_own(lake: Lake) -> None:
    query = row_counts(OTHER)
    header, *rows = lake.ask(query.text, *query.parameters)
    found = {row[0]: row[1:] for row in rows}
    assert header == ("table_name", "row_count", "rentals", "revenue")
    assert found.keys() == COLUMNS.keys()
    assert found["rentals"] == ("2", "2", "1999.98")
    assert found["daily_metrics"] == ("1", "2", "1999.98")
    assert found["users"] == ("0", "0", "0.00")


def test_the_questions_are_answered_of_a_run(lake: Lake) -> None:
    asked = {question.name: question for question in questions(RUN)}
    answers = {name: lake.ask(one.text, *one.parameters) for name, one in asked.items()}
    header, totals = answers["totals"]
    assert dict(zip(header, totals, strict=True)) == {
        "rentals": "2",
        "revenue": "201.00",
        "average": "100.50",
        "largest": None,
        "smallest": None,
        "hours": None,
        "users": None,
        "vehicles": None,
        "first_day": "2026-11-01",
        "last_day": None,
    }
    assert answers["best_locations"][1][:4] == ("7", None, 'New "York", NY', "201.00")
    assert answers["vehicle_types"][1] == ("basic", "2", "201.00", None)
    assert answers["top_users"][1][:3] == ("0012", "201.00", "2")


@pytest.mark.parametrize("name", ["totals", "best_locations", "vehicle_types", "last_days"])
def test_the_views_show_the_published_run(lake: Lake, name: str) -> None:
    (_, row) = lake.ask(FILES[name])
    assert "201.00" in row


def test_the_pointer_turns_all_views_at_once(lake: Lake) -> None:
    sql = """
    SELECT total_revenue FROM transaction_metrics
    UNION ALL SELECT total_spending FROM user_metrics
    """
    assert lake.ask(sql)[1:] == [("201.00",), ("201.00",)]
    newer = "2026-11-24T08:00:00.000000Z"
    lake.point_to(OTHER, newer)
    try:
        assert lake.ask(sql)[1:] == [("1999.98",), ("1999.98",)]
    finally:
        lake.client("s3").delete_object(
            Bucket=lake.bucket, Key=f"published_runs/{newer}-{OTHER}.json"
        )


def test_the_quality_of_the_published_run(lake: Lake) -> None:
    assert lake.ask(FILES["quality"]) == [
        ("dataset", "rows_read", "accepted", "rejected", "percent_rejected", "main_reasons"),
        ("rentals", "3", "2", "1", "33.33", "missing_user_id 1"),
    ]


def test_a_view_lies_in_the_catalogue_as_athena_keeps_it(lake: Lake) -> None:
    table = lake.table("rentals")
    assert table["TableType"] == "VIRTUAL_VIEW"
    assert table["ViewOriginalText"].startswith("/* Presto View: ")
    assert table["ViewExpandedText"] == "/* Presto View */"
    assert table["Parameters"]["presto_view"] == "true"
    assert names(table["StorageDescriptor"]["Columns"]) == COLUMNS["rentals"]


# --- what is read ----------------------------------------------------------------------------


def test_a_partition_that_is_not_catalogued_is_not_read(lake: Lake) -> None:
    lake.put_rows("locations", "uncatalogued", {"location_id": "1"})
    assert lake.ask("SELECT COUNT(*) FROM history_locations")[1] == ("0",)


def test_only_the_partitions_that_are_asked_for_are_read(lake: Lake) -> None:
    all_runs = lake.run("SELECT * FROM history_rentals")["Statistics"]["DataScannedInBytes"]
    one_run = lake.run("SELECT * FROM history_rentals h WHERE h.run_id = ? AND 1 = 1", RUN)
    assert 0 < one_run["Statistics"]["DataScannedInBytes"] < all_runs


def test_an_inner_query_looks_at_the_outer_ones_table(lake: Lake) -> None:
    sql = """
    WITH users AS (SELECT user_id FROM user_metrics)
    SELECT h.run_id FROM rental_kpi.history_user_metrics h
    WHERE EXISTS (SELECT 1 FROM users WHERE users.user_id = h.user_id) AND h.run_id <> ?
    """
    assert lake.ask(sql, RUN)[1:] == [(OTHER,)]
    named = "SELECT rental_kpi.user_metrics.user_id FROM rental_kpi.user_metrics"
    assert lake.ask(named)[1:] == [("0012",)]


def test_columns_that_a_file_lacks_are_null_and_wider_types_are_read(lake: Lake) -> None:
    narrow = {"rental_date": "date", "total_transactions": "int", "other": "string"}
    row = {"rental_date": date(2026, 1, 1), "total_transactions": 3, "other": "x"}
    with lake.odd_table("daily_metrics", parquet(narrow, row)):
        header, found = lake.ask("SELECT * FROM odd")
    assert header == tuple(COLUMNS["daily_metrics"])
    assert found == ("2026-01-01", "3", None, None, None, None, None)


def test_a_file_of_another_type_fails_the_query(lake: Lake) -> None:
    with lake.odd_table("users", parquet({"user_id": "bigint"}, {"user_id": 1})):
        reason = lake.reason("SELECT * FROM odd")
    assert reason.startswith("HIVE_BAD_DATA: Field user_id's type bigint in parquet file s3://")


def test_types_and_values_are_as_athena_gives_them(lake: Lake) -> None:
    sql = """
    SELECT total_amount, CAST(1 AS bigint) AS big, SUM(1) AS total, 7 / 2 AS halves, rental_id,
        rental_start_time, DATE '2026-01-02' AS day, total_amount > 1 AS is_more, 1e10 AS wide,
        ARRAY[1, NULL] AS list, CAST(NULL AS varchar) AS nothing, '' AS empty, COUNT(*)
    FROM rentals WHERE rental_id = '1' GROUP BY 1, 5, 6
    """
    ended = lake.run(sql)
    result = lake.client("athena").get_query_results(QueryExecutionId=ended["QueryExecutionId"])
    info = result["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    header, row = result["ResultSet"]["Rows"]
    assert [(one["Name"], one["Type"], one["Precision"], one["Scale"]) for one in info] == [
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
    assert [one["VarCharValue"] for one in header["Data"]] == [one["Name"] for one in info]
    assert [one.get("VarCharValue") for one in row["Data"]] == [
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


# --- the API ---------------------------------------------------------------------------------


def test_pages_have_a_thousand_rows_with_the_header(lake: Lake) -> None:
    athena = lake.client("athena")
    ended = lake.run("SELECT n FROM UNNEST(SEQUENCE(1, 2500)) AS numbers (n) ORDER BY n")
    pages = [
        [row["Data"][0]["VarCharValue"] for row in page["ResultSet"]["Rows"]]
        for page in athena.get_paginator("get_query_results").paginate(
            QueryExecutionId=ended["QueryExecutionId"]
        )
    ]
    assert [len(page) for page in pages] == [1000, 1000, 501]
    assert list(chain(*pages)) == ["n", *map(str, range(1, 2501))]
    with pytest.raises(ClientError, match="MaxResults"):
        athena.get_query_results(QueryExecutionId=ended["QueryExecutionId"], MaxResults=1001)


def test_the_answer_lies_where_the_workgroup_wants_it_and_encrypted(lake: Lake) -> None:
    elsewhere = {"OutputLocation": "s3://another/"}
    ended = lake.run("SELECT 1 AS one, CAST(NULL AS varchar)", ResultConfiguration=elsewhere)
    key = f"athena_results/{ended['QueryExecutionId']}.csv"
    assert ended["ResultConfiguration"]["OutputLocation"] == f"s3://{lake.bucket}/{key}"
    found = lake.client("s3").get_object(Bucket=lake.bucket, Key=key)
    assert found["Body"].read() == b'"one","_col1"\n"1",\n'
    assert found["ServerSideEncryption"] == "aws:kms"


def test_the_same_token_starts_one_query(lake: Lake) -> None:
    athena, token = lake.client("athena"), str(uuid4())
    request = {"QueryString": "SELECT 1", "ClientRequestToken": token, "WorkGroup": lake.workgroup}
    first, again = (athena.start_query_execution(**request) for _ in range(2))
    assert first["QueryExecutionId"] == again["QueryExecutionId"]
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        athena.start_query_execution(**{**request, "QueryString": "SELECT 2"})


def test_a_stopped_query_is_cancelled(lake: Lake) -> None:
    athena = lake.client("athena")
    slow = """
    SELECT COUNT(*) FROM UNNEST(SEQUENCE(1, 200000)) a (x), UNNEST(SEQUENCE(1, 200000)) b (y)
    WHERE x * y % 7 = 3
    """
    query_id = athena.start_query_execution(QueryString=slow, WorkGroup=lake.workgroup)[
        "QueryExecutionId"
    ]
    with pytest.raises(ClientError, match="has not yet finished"):
        athena.get_query_results(QueryExecutionId=query_id)
    athena.stop_query_execution(QueryExecutionId=query_id)
    status = lake.ended(query_id)["Status"]
    assert status["State"] == "CANCELLED"
    # Written when it has really ended; left alone it would take minutes.
    assert wait_until(lambda: bool(lake.ended(query_id)["Statistics"]), 20)
    athena.stop_query_execution(QueryExecutionId=query_id)
    with pytest.raises(ClientError, match="Final query state: CANCELLED"):
        athena.get_query_results(QueryExecutionId=query_id)


def test_a_query_that_reads_too_much_is_cancelled(lake: Lake) -> None:
    athena, least = lake.client("athena"), 10_000_000
    settings = {
        "ResultConfiguration": {"OutputLocation": f"s3://{lake.bucket}/athena_results"},
        "BytesScannedCutoffPerQuery": least,
    }
    athena.create_work_group(Name="small", Configuration=settings)
    with lake.odd_table("users", bytes(least + 1)):
        ended = lake.run("SELECT * FROM odd", WorkGroup="small")
    assert ended["Status"]["State"] == "CANCELLED"
    assert ended["Status"]["StateChangeReason"] == "Bytes scanned limit was exceeded"


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELEC 1", "line 1:7: mismatched input '1'"),
        ("SELECT *\nFROM WHERE", "line 2:6: mismatched input 'WHERE'"),
        ("CREATE VIEW v (one) AS SELECT 1", "Queries of this type are not supported"),
        ("MSCK REPAIR TABLE rentals", "Queries of this type are not supported"),
        ("SELECT 1; SELECT 2", "Only one sql statement is allowed"),
    ],
)
def test_what_is_no_query_is_refused_at_once(lake: Lake, sql: str, words: str) -> None:
    with pytest.raises(ClientError, match="InvalidRequestException") as caught:
        lake.run(sql)
    assert words in str(caught.value)


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
def test_a_query_fails_with_athenas_reason(lake: Lake, sql: str, reason: str) -> None:
    ended = lake.run(sql)
    assert ended["Status"]["State"] == "FAILED"
    assert ended["Status"]["StateChangeReason"].startswith(reason)
    error = ended["Status"]["AthenaError"]
    assert (error["ErrorCategory"], error["Retryable"]) == (2, False)
    with pytest.raises(ClientError, match="Final query state: FAILED"):
        lake.client("athena").get_query_results(QueryExecutionId=ended["QueryExecutionId"])


def test_a_parameter_is_sql_and_a_text_without_quotes_is_none(lake: Lake) -> None:
    request = {"ExecutionParameters": ["DATE '2026-11-01'"]}
    ended = lake.run("SELECT COUNT(*) FROM daily_metrics WHERE rental_date = ?", **request)
    assert ended["Status"]["State"] == "SUCCEEDED"
    ended = lake.run("SELECT ?", ExecutionParameters=["run"])
    assert "Constant expression cannot contain column" in ended["Status"]["StateChangeReason"]


def test_a_view_that_was_changed_meanwhile_says_so(lake: Lake) -> None:
    """What publish_results tries again."""
    athena = lake.client("athena")
    started = [
        athena.start_query_execution(
            QueryString=f"CREATE OR REPLACE VIEW contested AS SELECT {number} AS one",
            QueryExecutionContext={"Database": DATABASE},
            WorkGroup=lake.workgroup,
        )["QueryExecutionId"]
        for number in range(8)
    ]
    statuses = [lake.ended(query_id)["Status"] for query_id in started]
    assert {"SUCCEEDED"} <= {status["State"] for status in statuses}
    for status in statuses:
        if status["State"] == "FAILED":
            words = status["StateChangeReason"]
            assert "ConcurrentModification" in words or "AlreadyExists" in words
    lake.ask("SELECT one FROM contested")
    assert lake.run("DROP VIEW contested")["Status"]["State"] == "SUCCEEDED"
    assert "TABLE_NOT_FOUND" in lake.reason("SELECT one FROM contested")
