"""Tests that Athena uses the permissions of the caller, and no others."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from pipeline.publication.catalog import build_row_count_query, build_view_queries
from tests.local.support.lake import COLUMNS, DATABASE, Lake, remove_statement
from tests.local.support.two_runs import PUBLISHED_RUN, lake_with_two_runs

pytestmark = pytest.mark.xdist_group("lake")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with lake_with_two_runs(tmp_path_factory.mktemp("cloud")) as lake:
        yield lake


def test_role_of_publish_results_may_run_all_queries(lake: Lake) -> None:
    athena = lake.assume_role_with_policy(lake.get_policy("PublishResultsRole"))("athena")
    assert lake.run_query(build_view_queries(personal_data=False)[0].text, athena=athena)["Status"][
        "State"
    ] == ("SUCCEEDED")
    query = build_row_count_query(PUBLISHED_RUN)
    assert len(lake.query(query.text, *query.parameters, athena=athena)) == 1 + len(COLUMNS)


@pytest.mark.parametrize(
    ("sid", "message"),
    [
        ("ReadCatalogAndUpdateViews", "not authorized to perform: glue:GetDatabase"),
        ("UseDefaultDatabase", "not authorized to perform: glue:GetDatabases"),
        ("ReadQueriedData", "Permission denied on S3 path: s3://"),
        ("ReadAndWriteQueryResults", "Access denied when writing output to url: s3://"),
    ],
)
def test_query_fails_without_permission(lake: Lake, sid: str, message: str) -> None:
    policy = remove_statement(lake.get_policy("PublishResultsRole"), sid)
    athena = lake.assume_role_with_policy(policy)("athena")
    assert message in lake.get_failure_reason("SELECT * FROM rentals", athena=athena)


@pytest.mark.parametrize("action", ["glue:GetDatabase", "glue:GetDatabases", "glue:CreateDatabase"])
def test_query_requires_permission_for_the_default_database(lake: Lake, action: str) -> None:
    """In an account without the database, Athena creates it with the permissions of the caller."""
    policy = json.loads(json.dumps(lake.get_policy("PublishResultsRole")))
    [statement] = [s for s in policy["Statement"] if s["Sid"] == "UseDefaultDatabase"]
    statement["Action"].remove(action)
    athena = lake.assume_role_with_policy(policy)("athena")
    lake.delete_default_database()
    reason = lake.get_failure_reason("SELECT * FROM rentals", athena=athena)
    assert reason.startswith("Insufficient permissions to execute the query.")
    assert f"not authorized to perform: {action} " in reason


def test_query_creates_the_default_database_once(lake: Lake) -> None:
    lake.delete_default_database()
    for _ in range(2):
        assert lake.query("SELECT 1")[1:] == [("1",)]
    assert lake.client("glue").get_database(Name="default")["Database"]["Name"] == "default"


@pytest.mark.parametrize(
    ("sid", "message"),
    [
        ("RunQueries", "athena:StartQueryExecution"),
        ("ListBucket", "Unable to verify/create output bucket"),
    ],
)
def test_query_without_permission_is_not_started(lake: Lake, sid: str, message: str) -> None:
    policy = remove_statement(lake.get_policy("PublishResultsRole"), sid)
    with pytest.raises(ClientError) as error:
        lake.run_query("SELECT 1", athena=lake.assume_role_with_policy(policy)("athena"))
    assert message in str(error.value)


def test_query_requires_permission_for_table_database_and_catalog(lake: Lake) -> None:
    policy = lake.get_policy("PublishResultsRole")
    for suffix in (":catalog", f":database/{DATABASE}", f":table/{DATABASE}/*"):
        partial_policy = json.loads(json.dumps(policy))
        (statement,) = [
            statement
            for statement in partial_policy["Statement"]
            if statement["Sid"] == "ReadCatalogAndUpdateViews"
        ]
        statement["Resource"] = [arn for arn in statement["Resource"] if not arn.endswith(suffix)]
        create_client = lake.assume_role_with_policy(partial_policy)
        with pytest.raises(ClientError, match="AccessDeniedException"):
            create_client("glue").get_table(DatabaseName=DATABASE, Name="rentals")
        reason = lake.get_failure_reason("SELECT * FROM rentals", athena=create_client("athena"))
        assert reason.startswith("Insufficient permissions to execute the query.")


def test_result_is_read_with_permissions_of_caller(lake: Lake) -> None:
    execution = lake.run_query("SELECT 1")
    athena = lake.assume_role_with_policy(
        remove_statement(lake.get_policy("PublishResultsRole"), "ReadAndWriteQueryResults")
    )("athena")
    with pytest.raises(ClientError, match="Could not find results"):
        athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
