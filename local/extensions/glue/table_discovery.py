"""Discover tables, partitions, and columns below a crawler's target in S3."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from local.extensions.glue.parquet_schema import Columns, NotParquetError, read_parquet_schema
from local.extensions.s3.files import list_files, split_location

# Two folders belong to one table if they share at least this fraction of their columns.
_SIMILARITY = 0.7

Folder = tuple[str, ...]
"""The names of nested folders, relative to the crawler's target."""

Log = Callable[[str], None]
"""Writes one line to the log of the crawl."""


@dataclass
class DiscoveredTable:
    """A table as the files in S3 define it.

    Attributes:
        name: The name of the table in the catalog.
        location: The S3 location of the table.
        keys: The names of the partition keys.
        columns: The columns of the files.
        partitions: The values and the location of each partition.
    """

    name: str
    location: str
    keys: list[str]
    columns: Columns = field(default_factory=dict)
    partitions: list[tuple[list[str], str]] = field(default_factory=list)


def discover_tables(
    s3: Any, target: dict[str, Any], prefix: str, log: Log
) -> list[DiscoveredTable]:
    """Return the tables below an S3 target.

    Folders such as `run_id=x` become the partitions of one table if most of them have similar
    columns. Otherwise each folder becomes a table of its own.

    Args:
        s3: An S3 client with the crawler's role.
        target: The `S3Target` of the crawler.
        prefix: The prefix of the table names.
        log: Receives a warning for each skipped file and for each column with conflicting types.

    Raises:
        ClientError: S3 returned an error.
    """
    bucket, path = split_location(target["Path"])
    location = f"s3://{bucket}/{path}"
    schemas = _read_schemas(s3, location, target.get("Exclusions", []), log)
    if not schemas:
        log(f"INFO : {location} contains no files to crawl")
        return []
    name = path.rstrip("/").rpartition("/")[2] or bucket
    if _is_one_table(schemas):
        return [_create_table(prefix + name, location, schemas, log)]
    log(
        f"WARN : the folders below {location} have different schemas: each becomes a table of its"
        " own"
    )
    return [
        _create_table(
            prefix + (folder[-1] if folder else name),
            _get_folder_location(location, folder),
            {(): columns},
            log,
        )
        for folder, columns in schemas.items()
    ]


def merge_columns(columns: Columns, new_columns: Columns, source: str, log: Log) -> None:
    """Add the columns that are missing.

    Args:
        columns: The columns of the table. They are changed in place.
        new_columns: The columns to add.
        source: The location of the new columns, for the log.
        log: Receives a warning for each column that already has another type.
    """
    for name, new_type in new_columns.items():
        current_type = columns.setdefault(name, new_type)
        if current_type != new_type:
            log(
                f"WARN : schema drift: column {name} is {new_type} in {source}; the table keeps"
                f" {current_type}"
            )


def _read_schemas(
    s3: Any, location: str, exclusions: Iterable[str], log: Log
) -> dict[Folder, Columns]:
    """Return the columns of each folder that contains files, in the order of the keys."""
    _, prefix = split_location(location)
    schemas: dict[Folder, Columns] = {}
    for file in list_files(s3, location):
        key = file.key.removeprefix(prefix)
        if any(fnmatch.fnmatchcase(key, pattern) for pattern in exclusions):
            continue
        try:
            columns = read_parquet_schema(s3, file)
        except NotParquetError as error:
            log(f"WARN : skipped: {error}")
            continue
        merge_columns(schemas.setdefault(tuple(key.split("/")[:-1]), {}), columns, file.uri, log)
    return schemas


def _is_one_table(schemas: dict[Folder, Columns]) -> bool:
    if len({_get_keys(folder) for folder in schemas}) > 1:
        return False
    column_names = [set(columns) for columns in schemas.values()]
    largest_group = max(
        sum(_is_similar(names, other) for other in column_names) for names in column_names
    )
    return 2 * largest_group > len(column_names)


def _is_similar(names: set[str], other: set[str]) -> bool:
    return len(names & other) >= _SIMILARITY * len(names | other)


def _create_table(
    name: str, location: str, schemas: dict[Folder, Columns], log: Log
) -> DiscoveredTable:
    # Names in the catalog consist of lowercase letters, digits, and underscores.
    table_name = re.sub(r"\W", "_", name.lower())
    table = DiscoveredTable(table_name, location, list(_get_keys(next(iter(schemas)))))
    for folder, columns in schemas.items():
        folder_location = _get_folder_location(location, folder)
        merge_columns(table.columns, columns, folder_location, log)
        if folder:
            values = [part.partition("=")[2] or part for part in folder]
            table.partitions.append((values, folder_location))
    return table


def _get_keys(folder: Folder) -> tuple[str, ...]:
    """Return the partition keys: `run_id` for `run_id=x`, otherwise a name with the depth."""
    return tuple(
        part.partition("=")[0].lower() if "=" in part else f"partition_{depth}"
        for depth, part in enumerate(folder)
    )


def _get_folder_location(location: str, folder: Folder) -> str:
    return location + "".join(f"{part}/" for part in folder)
