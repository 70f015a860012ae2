"""What a crawl writes into the Glue catalogue, as the crawler's policies say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from local.extensions.glue.crawl import FoundTable, Log, merge
from local.extensions.glue.parquet_schema import Columns

_HIVE_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_MOST_AT_ONCE = 100
_INPUT = ("Name", "Description", "Owner", "Parameters", "PartitionKeys", "TableType")

Item = TypeVar("Item")


class CrawlError(Exception):
    """Why a crawl failed."""


class CrawlCatalogue:
    """The catalogue as one crawler may change it."""

    def __init__(self, glue: Any, crawler: dict[str, Any], log: Log) -> None:
        """CrawlError if the crawler wants what is not provided for here."""
        self._glue = glue
        self._database = crawler["DatabaseName"]
        self._crawler = crawler["Name"]
        self._log = log
        policy = crawler.get("SchemaChangePolicy", {})
        outputs = json.loads(crawler.get("Configuration") or "{}").get("CrawlerOutput", {})
        self._updates = policy.get("UpdateBehavior", "UPDATE_IN_DATABASE") == "UPDATE_IN_DATABASE"
        self._merges = outputs.get("Tables", {}).get("AddOrUpdateBehavior") == "MergeNewColumns"
        self._inherits = outputs.get("Partitions", {}).get("AddOrUpdateBehavior") is not None
        if policy.get("DeleteBehavior", "LOG") != "LOG":
            raise CrawlError(f"DeleteBehavior {policy['DeleteBehavior']} is not provided for here")

    def keep(self, found: FoundTable) -> None:
        """Make or update the table and its partitions. ClientError as Glue answers it."""
        known = self._known(found.name)
        if known is None:
            self._glue.create_table(DatabaseName=self._database, TableInput=self._input(found))
            self._log(f"INFO : Created table {found.name} in database {self._database}")
            columns = found.columns
        else:
            if [key["Name"] for key in known.get("PartitionKeys", [])] != found.keys:
                self._log(f"WARN : {found.name} has other partition keys in S3: left as it is")
                return
            columns = self._update(known, found)
        if found.keys:
            self._keep_partitions(found, columns)

    def _known(self, name: str) -> dict[str, Any] | None:
        try:
            return dict(self._glue.get_table(DatabaseName=self._database, Name=name)["Table"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            return None

    def _update(self, known: dict[str, Any], found: FoundTable) -> Columns:
        """The table's columns after the crawl; new ones come last."""
        before = {one["Name"]: one["Type"] for one in known["StorageDescriptor"]["Columns"]}
        after = dict(before)
        merge(after, found.columns, found.location, self._log)
        if self._updates and not self._merges:
            after = dict(found.columns)
        if after == before:
            return before
        if not self._updates:
            self._log(f"WARN : {found.name} has other columns in S3: only logged, as configured")
            return before
        kept = {name: known[name] for name in _INPUT if name in known}
        storage = {**known["StorageDescriptor"], "Columns": _columns(after)}
        self._glue.update_table(
            DatabaseName=self._database, TableInput={**kept, "StorageDescriptor": storage}
        )
        self._log(f"INFO : Updated table {found.name}: columns {', '.join(after)}")
        return after

    def _keep_partitions(self, found: FoundTable, columns: Columns) -> None:
        table = {"DatabaseName": self._database, "TableName": found.name}
        pages = self._glue.get_paginator("get_partitions").paginate(**table)
        known = {tuple(one["Values"]): one for page in pages for one in page["Partitions"]}
        new, changed = [], []
        for values, location in found.partitions:
            wanted = {"Values": values, "StorageDescriptor": _storage(location, columns)}
            there = known.pop(tuple(values), None)
            if there is None:
                new.append(wanted)
            elif self._inherits and there["StorageDescriptor"] != wanted["StorageDescriptor"]:
                changed.append({"PartitionValueList": values, "PartitionInput": wanted})
        for some in _chunks(new):
            answer = self._glue.batch_create_partition(**table, PartitionInputList=some)
            _check(found.name, answer.get("Errors"))
        for others in _chunks(changed):
            answer = self._glue.batch_update_partition(**table, Entries=others)
            _check(found.name, answer.get("Errors"))
        self._log(f"INFO : {found.name}: {len(new)} partitions created, {len(changed)} updated")
        for gone in known:
            self._log(f"INFO : {found.name}: partition {'/'.join(gone)} is gone from S3, kept here")

    def _input(self, found: FoundTable) -> dict[str, Any]:
        return {
            "Name": found.name,
            "Owner": "owner",
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {
                "classification": "parquet",
                "compressionType": "none",
                "typeOfData": "file",
                "CrawlerSchemaDeserializerVersion": "1.0",
                "CrawlerSchemaSerializerVersion": "1.0",
                "UPDATED_BY_CRAWLER": self._crawler,
            },
            "PartitionKeys": _columns(dict.fromkeys(found.keys, "string")),
            "StorageDescriptor": _storage(found.location, found.columns),
        }


def _storage(location: str, columns: Columns) -> dict[str, Any]:
    return {
        "Columns": _columns(columns),
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


def _columns(columns: Columns) -> list[dict[str, str]]:
    return [{"Name": name, "Type": kind} for name, kind in columns.items()]


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _MOST_AT_ONCE):
        yield items[start : start + _MOST_AT_ONCE]


def _check(table: str, errors: list[dict[str, Any]] | None) -> None:
    if errors:
        raise CrawlError(f"partitions of {table} were refused: {errors}")
