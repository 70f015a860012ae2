"""Write the tables that a crawl discovered to the Glue Data Catalog, by the crawler's policies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from local.extensions.glue.parquet_schema import Columns
from local.extensions.glue.table_discovery import DiscoveredTable, Log, merge_columns

_HIVE_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_MAX_BATCH_SIZE = 100
_INPUT_FIELDS = ("Name", "Description", "Owner", "Parameters", "PartitionKeys", "TableType")

Item = TypeVar("Item")


class CrawlError(Exception):
    """The reason why a crawl failed."""


class CatalogWriter:
    """Writes the tables of one crawler to the catalog."""

    def __init__(self, glue: Any, crawler: dict[str, Any], log: Log) -> None:
        """Read the policies of the crawler.

        Args:
            glue: A Glue client with the crawler's role.
            crawler: The crawler, as GetCrawler describes it.
            log: Receives a line for each change.

        Raises:
            CrawlError: The local cloud does not support a policy of the crawler.
        """
        self._glue = glue
        self._database = crawler["DatabaseName"]
        self._crawler = crawler["Name"]
        self._log = log
        policy = crawler.get("SchemaChangePolicy", {})
        outputs = json.loads(crawler.get("Configuration") or "{}").get("CrawlerOutput", {})
        tables, partitions = outputs.get("Tables", {}), outputs.get("Partitions", {})
        self._updates_tables = (
            policy.get("UpdateBehavior", "UPDATE_IN_DATABASE") == "UPDATE_IN_DATABASE"
        )
        self._merges_columns = tables.get("AddOrUpdateBehavior") == "MergeNewColumns"
        self._partitions_inherit = partitions.get("AddOrUpdateBehavior") is not None
        if policy.get("DeleteBehavior", "LOG") != "LOG":
            raise CrawlError(
                f"the local cloud does not support DeleteBehavior {policy['DeleteBehavior']}: use"
                " LOG"
            )

    def write(self, table: DiscoveredTable) -> None:
        """Create or update a table and its partitions.

        Raises:
            ClientError: Glue returned an error.
            CrawlError: Glue rejected a partition.
        """
        existing = self._get_existing_table(table.name)
        if existing is None:
            table_input = self._build_table_input(table)
            self._glue.create_table(DatabaseName=self._database, TableInput=table_input)
            self._log(f"INFO : Created table {table.name} in database {self._database}")
            columns = table.columns
        else:
            if [key["Name"] for key in existing.get("PartitionKeys", [])] != table.keys:
                self._log(f"WARN : {table.name} has different partition keys in S3: not changed")
                return
            columns = self._update_table(existing, table)
        if table.keys:
            self._write_partitions(table, columns)

    def _get_existing_table(self, name: str) -> dict[str, Any] | None:
        try:
            return dict(self._glue.get_table(DatabaseName=self._database, Name=name)["Table"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            return None

    def _update_table(self, existing: dict[str, Any], table: DiscoveredTable) -> Columns:
        """Update the columns of a table, and return them. New columns come last."""
        storage = existing["StorageDescriptor"]
        before = {column["Name"]: column["Type"] for column in storage["Columns"]}
        after = dict(before)
        merge_columns(after, table.columns, table.location, self._log)
        if self._updates_tables and not self._merges_columns:
            after = dict(table.columns)
        if after == before:
            return before
        if not self._updates_tables:
            self._log(
                f"WARN : {table.name} has different columns in S3: not changed, because"
                " UpdateBehavior is LOG"
            )
            return before
        table_input = {name: existing[name] for name in _INPUT_FIELDS if name in existing}
        table_input["StorageDescriptor"] = {**storage, "Columns": _format_columns(after)}
        self._glue.update_table(DatabaseName=self._database, TableInput=table_input)
        self._log(f"INFO : Updated table {table.name}: columns {', '.join(after)}")
        return after

    def _write_partitions(self, table: DiscoveredTable, columns: Columns) -> None:
        names = {"DatabaseName": self._database, "TableName": table.name}
        pages = self._glue.get_paginator("get_partitions").paginate(**names)
        existing = {
            tuple(partition["Values"]): partition
            for page in pages
            for partition in page["Partitions"]
        }
        new, changed = [], []
        for values, location in table.partitions:
            storage = _build_storage(location, columns)
            partition_input = {"Values": values, "StorageDescriptor": storage}
            partition = existing.pop(tuple(values), None)
            if partition is None:
                new.append(partition_input)
            elif self._partitions_inherit and partition["StorageDescriptor"] != storage:
                changed.append({"PartitionValueList": values, "PartitionInput": partition_input})
        for inputs in _split_into_batches(new):
            response = self._glue.batch_create_partition(**names, PartitionInputList=inputs)
            _check_errors(table.name, response.get("Errors"))
        for entries in _split_into_batches(changed):
            response = self._glue.batch_update_partition(**names, Entries=entries)
            _check_errors(table.name, response.get("Errors"))
        self._log(f"INFO : {table.name}: created partitions: {len(new)}, updated: {len(changed)}")
        for values_not_found in existing:
            self._log(
                f"INFO : {table.name}: partition {'/'.join(values_not_found)} no longer exists in"
                " S3; it stays in the catalog"
            )

    def _build_table_input(self, table: DiscoveredTable) -> dict[str, Any]:
        return {
            "Name": table.name,
            "Owner": "owner",
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {
                "classification": table.classification,
                "compressionType": "none",
                "typeOfData": "file",
                "CrawlerSchemaDeserializerVersion": "1.0",
                "CrawlerSchemaSerializerVersion": "1.0",
                "UPDATED_BY_CRAWLER": self._crawler,
            },
            "PartitionKeys": _format_columns(dict.fromkeys(table.keys, "string")),
            "StorageDescriptor": _build_storage(table.location, table.columns),
        }


def _build_storage(location: str, columns: Columns) -> dict[str, Any]:
    return {
        "Columns": _format_columns(columns),
        "Location": location,
        "InputFormat": f"{_HIVE_PARQUET}.MapredParquetInputFormat",
        "OutputFormat": f"{_HIVE_PARQUET}.MapredParquetOutputFormat",
        "Compressed": False,
        "NumberOfBuckets": -1,
        "SerdeInfo": {
            "SerializationLibrary": f"{_HIVE_PARQUET}.serde.ParquetHiveSerDe",
            "Parameters": {"serialization.format": "1"},
        },
        "BucketColumns": [],
        "SortColumns": [],
        "StoredAsSubDirectories": False,
    }


def _format_columns(columns: Columns) -> list[dict[str, str]]:
    return [{"Name": name, "Type": hive_type} for name, hive_type in columns.items()]


def _split_into_batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _MAX_BATCH_SIZE):
        yield items[start : start + _MAX_BATCH_SIZE]


def _check_errors(table: str, errors: list[dict[str, Any]] | None) -> None:
    if errors:
        raise CrawlError(f"Glue rejected partitions of {table}: {errors}")
