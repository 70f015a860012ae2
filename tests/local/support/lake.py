"""The part of the template that Athena and the crawler need, deployed to a local cloud.

Roles, crawler, workgroup, and catalog come from the template, so they have the permissions that the
template grants.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from contract.layout import publication_key
from local.cloud import Cloud
from tests.infra.support.template import template
from tests.local.support.roles import assume_role_with_policy
from tests.support.waiting import wait_until

STACK = "lake"
DATABASE = "rental_kpi"
_RESOURCES = (
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
    "CrawlerSecurityConfiguration",
    "CrawlerLogGroup",
    "PublishedRunsTable",
    "KpiWorkgroup",
)
_SQL_TYPES = {"string": "varchar"}
COLUMNS = {dataset.name: dict(dataset.curated_columns) for dataset in DATASETS} | {
    table.name: dict(table.columns) for table in KPI_TABLES
}
"""The columns and types of each table, from the contract."""

Row = dict[str, object]


@dataclass(frozen=True)
class Lake:
    """The deployed part of the template, with the actions and queries that tests need."""

    cloud: Cloud
    bucket: str
    crawler: str = f"{STACK}-crawler"
    workgroup: str = STACK

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service, which acts as the account's root user."""
        return _create_client(self.cloud, service)

    def put(self, key: str, content: bytes) -> None:
        """Write an object to the data bucket."""
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)

    def put_rows(self, table: str, run_id: str, *rows: Row) -> None:
        """Write a run's rows of a table in the contract. Missing columns are null."""
        folder = "output" if table in {dataset.name for dataset in DATASETS} else "kpi_output"
        key = f"{folder}/{table}/run_id={run_id}/part-0.parquet"
        self.put(key, build_parquet(COLUMNS[table], *rows))

    def put_publication_record(self, run_id: str, published_at: str, **fields: object) -> None:
        """Write a publication record, as publish_results does."""
        content = {"run_id": run_id, "published_at": published_at, **fields}
        self.put(publication_key(published_at, run_id), json.dumps(content).encode())

    def crawl(self) -> dict[str, Any]:
        """Run a crawl to its end, and return LastCrawl."""
        self.client("glue").start_crawler(Name=self.crawler)
        return self.wait_for_crawl()

    def wait_for_crawl(self) -> dict[str, Any]:
        """Wait until the crawl has ended, and return LastCrawl."""

        def get_crawler() -> dict[str, Any]:
            return dict(self.client("glue").get_crawler(Name=self.crawler)["Crawler"])

        assert wait_until(lambda: get_crawler()["State"] == "READY"), get_crawler()
        return dict(get_crawler()["LastCrawl"])

    def get_table(self, name: str, database: str = DATABASE) -> dict[str, Any]:
        """Return a table of the catalog."""
        return dict(self.client("glue").get_table(DatabaseName=database, Name=name)["Table"])

    @contextmanager
    def custom_table(self, like: str, content: bytes) -> Iterator[None]:
        """Create the table `custom` during the block, with one file.

        Args:
            like: The table in the contract whose columns it has.
            content: The content of the file.
        """
        glue, folder = self.client("glue"), f"elsewhere/{uuid4()}/"
        self.put(f"{folder}part-0.parquet", content)
        storage = self.get_table(f"history_{like}")["StorageDescriptor"]
        storage["Location"] = f"s3://{self.bucket}/{folder}"
        glue.create_table(
            DatabaseName=DATABASE, TableInput={"Name": "custom", "StorageDescriptor": storage}
        )
        try:
            yield
        finally:
            glue.delete_table(DatabaseName=DATABASE, Name="custom")

    def delete_tables(self) -> None:
        """Delete the tables and views that tests created, and all files in the bucket."""
        glue, s3 = self.client("glue"), self.client("s3")
        for table in glue.get_tables(DatabaseName=DATABASE)["TableList"]:
            if table["Name"] != "published_runs":
                glue.delete_table(DatabaseName=DATABASE, Name=table["Name"])
        for entry in s3.list_objects_v2(Bucket=self.bucket).get("Contents", []):
            s3.delete_object(Bucket=self.bucket, Key=entry["Key"])

    def delete_default_database(self) -> None:
        """Delete the database `default`, which a new account does not have."""
        glue = self.client("glue")
        with suppress(glue.exceptions.EntityNotFoundException):
            glue.delete_database(Name="default")

    def query(self, sql: str, *parameters: str, athena: Any = None) -> list[tuple[str | None, ...]]:
        """Run a query that must succeed, and return its rows as text. The first is the header."""
        athena = athena or self.client("athena")
        execution = self.run_query(sql, *parameters, athena=athena)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        pages = athena.get_paginator("get_query_results").paginate(
            QueryExecutionId=execution["QueryExecutionId"]
        )
        return [
            tuple(value.get("VarCharValue") for value in row["Data"])
            for page in pages
            for row in page["ResultSet"]["Rows"]
        ]

    def get_failure_reason(self, sql: str, *parameters: str, athena: Any = None) -> str:
        """Run a query that must fail, and return the reason."""
        execution = self.run_query(sql, *parameters, athena=athena)
        assert execution["Status"]["State"] == "FAILED", execution["Status"]
        return str(execution["Status"]["StateChangeReason"])

    def run_query(
        self, sql: str, *parameters: str, athena: Any = None, **arguments: Any
    ) -> dict[str, Any]:
        """Run a query to its end.

        Args:
            sql: The query.
            parameters: Strings for its question marks, without quotation marks.
            athena: The client to use. Default: the root user's client.
            arguments: Further arguments of StartQueryExecution.

        Returns:
            The query execution.
        """
        athena = athena or self.client("athena")
        request = {
            "QueryString": sql,
            "QueryExecutionContext": {"Database": DATABASE},
            "WorkGroup": self.workgroup,
            **arguments,
        }
        if parameters:
            request["ExecutionParameters"] = [
                "'" + text.replace("'", "''") + "'" for text in parameters
            ]
        query_id = athena.start_query_execution(**request)["QueryExecutionId"]
        return self.wait_for_query(query_id, athena)

    def wait_for_query(self, query_id: str, athena: Any = None) -> dict[str, Any]:
        """Wait until a query has ended, and return its execution."""
        athena = athena or self.client("athena")

        def get_execution() -> dict[str, Any]:
            return dict(athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"])

        assert wait_until(
            lambda: get_execution()["Status"]["State"] not in ("QUEUED", "RUNNING"), 30
        ), get_execution()
        return get_execution()

    def get_policy(self, role: str) -> dict[str, Any]:
        """Return the deployed policy of a role, a logical ID."""
        iam, name = self.client("iam"), self.get_physical_id(role)
        (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
        return dict(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])

    @contextmanager
    def without_statement(self, role: str, sid: str) -> Iterator[None]:
        """Remove a statement from the policy of a role, a logical ID, during the block."""
        with self._changed_policy(role, remove_statement(self.get_policy(role), sid)):
            yield

    @contextmanager
    def without_action(self, role: str, action: str) -> Iterator[None]:
        """Remove an action from the policy of a role, a logical ID, during the block."""
        policy = json.loads(json.dumps(self.get_policy(role)))
        [statement] = [s for s in policy["Statement"] if action in s["Action"]]
        statement["Action"].remove(action)
        with self._changed_policy(role, policy):
            yield

    @contextmanager
    def without_exclusions(self) -> Iterator[None]:
        """Remove the exclude patterns of the crawler during the block."""
        glue = self.client("glue")
        targets = glue.get_crawler(Name=self.crawler)["Crawler"]["Targets"]
        paths = [{"Path": target["Path"]} for target in targets["S3Targets"]]
        glue.update_crawler(Name=self.crawler, Targets={"S3Targets": paths})
        try:
            yield
        finally:
            glue.update_crawler(Name=self.crawler, Targets=targets)

    @contextmanager
    def _changed_policy(self, role: str, policy: dict[str, Any]) -> Iterator[None]:
        iam, name, original = self.client("iam"), self.get_physical_id(role), self.get_policy(role)
        (policy_name,) = iam.list_role_policies(RoleName=name)["PolicyNames"]

        def put(document: dict[str, Any]) -> None:
            iam.put_role_policy(
                RoleName=name, PolicyName=policy_name, PolicyDocument=json.dumps(document)
            )

        put(policy)
        try:
            yield
        finally:
            put(original)

    def assume_role_with_policy(self, policy: dict[str, Any]) -> Any:
        """Create and assume a role with only this policy.

        Returns:
            A function that creates the client of a service with the role's credentials.
        """
        return assume_role_with_policy(self.cloud, policy)

    def get_physical_id(self, logical_id: str) -> str:
        """Return the name of a resource of the stack."""
        response = self.client("cloudformation").describe_stack_resource(
            StackName=STACK, LogicalResourceId=logical_id
        )
        return str(response["StackResourceDetail"]["PhysicalResourceId"])


@cache
def _create_client(cloud: Cloud, service: str) -> Any:
    """Return a cached client, because creating a client takes longer than most calls."""
    return cloud.client(service)


def deploy_lake(cloud: Cloud) -> Lake:
    """Deploy the part of the template that queries need."""
    complete = template()
    partial = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": complete["Parameters"],
        "Mappings": complete["Mappings"],
        "Conditions": complete["Conditions"],
        "Resources": {name: complete["Resources"][name] for name in _RESOURCES},
    }
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(
        StackName=STACK,
        TemplateBody=json.dumps(partial),
        Parameters=[
            {"ParameterKey": "NotificationEmail", "ParameterValue": "somebody@example.org"},
            {"ParameterKey": "SubnetId", "ParameterValue": "subnet-0"},
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    response = cloudformation.describe_stack_resource(
        StackName=STACK, LogicalResourceId="DataBucket"
    )
    return Lake(cloud, response["StackResourceDetail"]["PhysicalResourceId"])


def remove_statement(policy: dict[str, Any], sid: str) -> dict[str, Any]:
    """Return the policy without a statement, which must exist."""
    remaining = [statement for statement in policy["Statement"] if statement["Sid"] != sid]
    assert len(remaining) == len(policy["Statement"]) - 1, f"the policy has no statement {sid}"
    return {**policy, "Statement": remaining}


def build_parquet(columns: dict[str, str], *rows: Row) -> bytes:
    """Return a Parquet file with these columns and rows.

    Args:
        columns: The Hive type of each column, without nested types.
        rows: The values of each row. Missing columns are null.
    """
    types = ", ".join(
        f'"{name}" {_SQL_TYPES.get(hive_type, hive_type)}' for name, hive_type in columns.items()
    )
    with duckdb.connect() as database, tempfile.TemporaryDirectory() as folder:
        database.execute(f"CREATE TABLE content ({types})")
        for row in rows:
            names, placeholders = ", ".join(row), ", ".join("?" * len(row))
            database.execute(
                f"INSERT INTO content ({names}) VALUES ({placeholders})",  # noqa: S608
                list(row.values()),
            )
        path = Path(folder) / "content.parquet"
        database.execute(f"COPY content TO '{path}' (FORMAT parquet)")
        return path.read_bytes()


def get_column_types(columns: Sequence[dict[str, str]]) -> dict[str, str]:
    """Return the types of columns in the catalog, by name."""
    return {column["Name"]: column["Type"] for column in columns}
