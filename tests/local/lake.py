"""The part of the template that Athena and the crawler need, on a started cloud, with tables in it.

Its roles, crawler, workgroup and catalogue are the template's own, so what they may do is what the
template lets them do.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import duckdb

from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from local.cloud import Cloud
from tests.infra.template import template
from tests.support.waiting import wait_until

STACK = "lake"
DATABASE = "rental_kpi"
_PARTS = (
    "DataKey",
    "DataBucket",
    "DataBucketPolicy",
    "LedgerTable",
    "ReportTopic",
    "PublishResultsLogGroup",
    "PublishResultsRole",
    "KpiDatabase",
    "KpiCrawler",
    "CrawlerRole",
    "PublishedRunsTable",
    "KpiWorkgroup",
)
_SQL_TYPES = {"string": "varchar"}
COLUMNS = {dataset.name: dict(dataset.curated_columns) for dataset in DATASETS} | {
    table.name: dict(table.columns) for table in KPI_TABLES
}
"""Each table's columns and types, from the contract."""

Row = dict[str, object]


@dataclass(frozen=True)
class Lake:
    """The stack's names, and ways to fill and to ask it."""

    cloud: Cloud
    bucket: str
    crawler: str = f"{STACK}-crawler"
    workgroup: str = STACK

    def client(self, service: str) -> Any:
        return _client(self.cloud, service)

    def put(self, key: str, content: bytes) -> None:
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)

    def put_rows(self, table: str, run_id: str, *rows: Row) -> None:
        """Put a run's rows of a table of the contract; columns that a row lacks are null."""
        folder = "output" if table in {dataset.name for dataset in DATASETS} else "kpi_output"
        key = f"{folder}/{table}/run_id={run_id}/part-0.parquet"
        self.put(key, parquet(COLUMNS[table], *rows))

    def point_to(self, run_id: str, published_at: str, **more: object) -> None:
        """Put a pointer object, as publish_results does."""
        content = {"run_id": run_id, "published_at": published_at, **more}
        self.put(f"published_runs/{published_at}-{run_id}.json", json.dumps(content).encode())

    def crawl(self) -> dict[str, Any]:
        """Crawl to the end; LastCrawl."""
        self.client("glue").start_crawler(Name=self.crawler)
        return self.crawled()

    def crawled(self) -> dict[str, Any]:
        """Wait for the end of a crawl; LastCrawl."""

        def crawler() -> dict[str, Any]:
            return dict(self.client("glue").get_crawler(Name=self.crawler)["Crawler"])

        assert wait_until(lambda: crawler()["State"] == "READY"), crawler()
        return dict(crawler()["LastCrawl"])

    def table(self, name: str, database: str = DATABASE) -> dict[str, Any]:
        """A table of the catalogue."""
        return dict(self.client("glue").get_table(DatabaseName=database, Name=name)["Table"])

    @contextmanager
    def odd_table(self, like: str, content: bytes) -> Iterator[None]:
        """A table `odd` of one file, with the columns of one of the contract's."""
        glue, folder = self.client("glue"), f"elsewhere/{uuid4()}/"
        self.put(f"{folder}part-0.parquet", content)
        storage = self.table(f"history_{like}")["StorageDescriptor"]
        storage["Location"] = f"s3://{self.bucket}/{folder}"
        glue.create_table(
            DatabaseName=DATABASE, TableInput={"Name": "odd", "StorageDescriptor": storage}
        )
        try:
            yield
        finally:
            glue.delete_table(DatabaseName=DATABASE, Name="odd")

    def drop_tables(self) -> None:
        """Forget what a crawl or a view made, and the files below it."""
        glue, s3 = self.client("glue"), self.client("s3")
        for table in glue.get_tables(DatabaseName=DATABASE)["TableList"]:
            if table["Name"] != "published_runs":
                glue.delete_table(DatabaseName=DATABASE, Name=table["Name"])
        for found in s3.list_objects_v2(Bucket=self.bucket).get("Contents", []):
            s3.delete_object(Bucket=self.bucket, Key=found["Key"])

    def ask(self, sql: str, *parameters: str, athena: Any = None) -> list[tuple[str | None, ...]]:
        """The rows of an answer, its header first."""
        athena = athena or self.client("athena")
        ended = self.run(sql, *parameters, athena=athena)
        assert ended["Status"]["State"] == "SUCCEEDED", ended["Status"]
        pages = athena.get_paginator("get_query_results").paginate(
            QueryExecutionId=ended["QueryExecutionId"]
        )
        return [
            tuple(value.get("VarCharValue") for value in row["Data"])
            for page in pages
            for row in page["ResultSet"]["Rows"]
        ]

    def reason(self, sql: str, *parameters: str, athena: Any = None) -> str:
        """Why a query failed."""
        ended = self.run(sql, *parameters, athena=athena)
        assert ended["Status"]["State"] == "FAILED", ended["Status"]
        return str(ended["Status"]["StateChangeReason"])

    def run(self, sql: str, *parameters: str, athena: Any = None, **more: Any) -> dict[str, Any]:
        """Run a query to its end; its execution. Parameters are texts."""
        athena = athena or self.client("athena")
        request = {
            "QueryString": sql,
            "QueryExecutionContext": {"Database": DATABASE},
            "WorkGroup": self.workgroup,
            **more,
        }
        if parameters:
            request["ExecutionParameters"] = [
                "'" + text.replace("'", "''") + "'" for text in parameters
            ]
        query_id = athena.start_query_execution(**request)["QueryExecutionId"]
        return self.ended(query_id, athena)

    def ended(self, query_id: str, athena: Any = None) -> dict[str, Any]:
        """A query's execution, once it has ended."""
        athena = athena or self.client("athena")

        def execution() -> dict[str, Any]:
            return dict(athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"])

        assert wait_until(
            lambda: execution()["Status"]["State"] not in ("QUEUED", "RUNNING"), 30
        ), execution()
        return execution()

    def policy_of(self, role: str) -> dict[str, Any]:
        """The template's policy of a role, as it was deployed."""
        iam, name = self.client("iam"), self._physical_id(role)
        (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
        return dict(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])

    @contextmanager
    def without(self, role: str, sid: str) -> Iterator[None]:
        """The role without one statement of its policy."""
        iam, name, full = self.client("iam"), self._physical_id(role), self.policy_of(role)
        (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]

        def put(document: dict[str, Any]) -> None:
            iam.put_role_policy(
                RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document)
            )

        put(without(full, sid))
        try:
            yield
        finally:
            put(full)

    def session(self, policy: dict[str, Any]) -> Any:
        """A maker of clients of somebody who may do what the policy says."""
        iam, name = self.client("iam"), f"somebody-{uuid4()}"
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
            ],
        }
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        keys = self.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="test")
        session = boto3.session.Session(
            keys["Credentials"]["AccessKeyId"],
            keys["Credentials"]["SecretAccessKey"],
            keys["Credentials"]["SessionToken"],
            self.cloud.region,
        )
        make: Any = session.client
        return lambda service: make(
            service, endpoint_url=self.cloud.endpoint, verify=str(self.cloud.ca_bundle)
        )

    def _physical_id(self, logical_id: str) -> str:
        found = self.client("cloudformation").describe_stack_resource(
            StackName=STACK, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])


@cache
def _client(cloud: Cloud, service: str) -> Any:
    """To make one takes longer than most calls."""
    return cloud.client(service)


def make_lake(cloud: Cloud) -> Lake:
    """Deploy the template's part for queries."""
    whole = template()
    part = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": whole["Parameters"],
        "Resources": {name: whole["Resources"][name] for name in _PARTS},
    }
    formation = cloud.client("cloudformation")
    formation.create_stack(
        StackName=STACK,
        TemplateBody=json.dumps(part),
        Parameters=[
            {"ParameterKey": "NotificationEmail", "ParameterValue": "somebody@example.org"},
            {"ParameterKey": "SubnetId", "ParameterValue": "subnet-0"},
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    formation.get_waiter("stack_create_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    found = formation.describe_stack_resource(StackName=STACK, LogicalResourceId="DataBucket")
    return Lake(cloud, found["StackResourceDetail"]["PhysicalResourceId"])


def without(policy: dict[str, Any], sid: str) -> dict[str, Any]:
    """The policy without one of its statements, which has to be there."""
    kept = [one for one in policy["Statement"] if one["Sid"] != sid]
    assert len(kept) == len(policy["Statement"]) - 1, f"the policy has no statement {sid}"
    return {**policy, "Statement": kept}


def parquet(columns: dict[str, str], *rows: Row) -> bytes:
    """A Parquet file with these columns, of Hive's plain types; columns a row lacks are null."""
    types = ", ".join(f'"{name}" {_SQL_TYPES.get(kind, kind)}' for name, kind in columns.items())
    with duckdb.connect() as database, tempfile.TemporaryDirectory() as folder:
        database.execute(f"CREATE TABLE content ({types})")
        for row in rows:
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            database.execute(
                f"INSERT INTO content ({names}) VALUES ({marks})",  # noqa: S608
                list(row.values()),
            )
        path = Path(folder) / "content.parquet"
        database.execute(f"COPY content TO '{path}' (FORMAT parquet)")
        return path.read_bytes()


def names(rows: Sequence[dict[str, str]]) -> dict[str, str]:
    """Columns of the catalogue as a dict."""
    return {one["Name"]: one["Type"] for one in rows}
