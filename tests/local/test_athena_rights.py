"""Athena does what whoever asks may do, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from pipeline.publication.catalog import row_counts, views
from tests.local.lake import COLUMNS, DATABASE, Lake, without
from tests.local.two_runs import RUN, two_runs

pytestmark = pytest.mark.xdist_group("lake")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with two_runs(tmp_path_factory.mktemp("cloud")) as lake:
        yield lake


def test_the_templates_role_is_enough(lake: Lake) -> None:
    athena = lake.session(lake.policy_of("PublishResultsRole"))("athena")
    assert lake.run(views(personal_data=False)[0].text, athena=athena)["Status"]["State"] == (
        "SUCCEEDED"
    )
    query = row_counts(RUN)
    assert len(lake.ask(query.text, *query.parameters, athena=athena)) == 1 + len(COLUMNS)


@pytest.mark.parametrize(
    ("sid", "words"),
    [
        ("CatalogueAndViews", "not authorized to perform: glue:GetDatabase"),
        ("WhatAthenaLooksAt", "not authorized to perform: glue:GetDatabase"),
        ("WhatIsQueried", "Permission denied on S3 path: s3://"),
        ("Answers", "Access denied when writing output to url: s3://"),
    ],
)
def test_a_query_may_do_what_whoever_starts_it_may_do(lake: Lake, sid: str, words: str) -> None:
    policy = without(lake.policy_of("PublishResultsRole"), sid)
    athena = lake.session(policy)("athena")
    assert words in lake.reason("SELECT * FROM rentals", athena=athena)


@pytest.mark.parametrize(
    ("sid", "words"),
    [
        ("Queries", "athena:StartQueryExecution"),
        ("BucketOfQueries", "Unable to verify/create output bucket"),
    ],
)
def test_a_query_is_not_started_for_who_may_not(lake: Lake, sid: str, words: str) -> None:
    policy = without(lake.policy_of("PublishResultsRole"), sid)
    with pytest.raises(ClientError) as caught:
        lake.run("SELECT 1", athena=lake.session(policy)("athena"))
    assert words in str(caught.value)


def test_table_database_and_catalogue_have_to_be_allowed(lake: Lake) -> None:
    policy = lake.policy_of("PublishResultsRole")
    for lacking in (":catalog", f":database/{DATABASE}", f":table/{DATABASE}/*"):
        narrow = json.loads(json.dumps(policy))
        (statement,) = [one for one in narrow["Statement"] if one["Sid"] == "CatalogueAndViews"]
        statement["Resource"] = [arn for arn in statement["Resource"] if not arn.endswith(lacking)]
        client = lake.session(narrow)
        with pytest.raises(ClientError, match="AccessDeniedException"):
            client("glue").get_table(DatabaseName=DATABASE, Name="rentals")
        reason = lake.reason("SELECT * FROM rentals", athena=client("athena"))
        assert reason.startswith("Insufficient permissions to execute the query.")


def test_an_answer_is_read_with_the_rights_of_who_asks_for_it(lake: Lake) -> None:
    ended = lake.run("SELECT 1")
    athena = lake.session(without(lake.policy_of("PublishResultsRole"), "Answers"))("athena")
    with pytest.raises(ClientError, match="Could not find results"):
        athena.get_query_results(QueryExecutionId=ended["QueryExecutionId"])
