"""Discover tables, partitions, and columns below a crawler's target in S3."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.extensions.glue.exclusions import Exclusions
from local.extensions.glue.parquet_schema import Columns, NotParquetError, read_parquet_schema
from local.extensions.s3.files import S3File, list_objects, split_location

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
        classification: The format of the files: `parquet`, or `UNKNOWN` for any other.
    """

    name: str
    location: str
    keys: list[str]
    columns: Columns = field(default_factory=dict)
    partitions: list[tuple[list[str], str]] = field(default_factory=list)
    classification: str = "parquet"


@dataclass
class _Contents:
    """The files of a target.

    Attributes:
        schemas: The columns of each folder with Parquet files, in the order of the keys.
        other_files: The files in other formats, including empty ones.
    """

    schemas: dict[Folder, Columns] = field(default_factory=dict)
    other_files: list[S3File] = field(default_factory=list)


def discover_tables(
    s3: Any, target: dict[str, Any], prefix: str, log: Log
) -> list[DiscoveredTable]:
    """Return the tables below an S3 target.

    Folders such as `run_id=x` become the partitions of one table if most of them have similar
    columns. Otherwise each folder becomes a table of its own. The same happens if the target
    contains a file in another format, which becomes a table too, so the exclusions of the target
    have to match everything that is not data.

    Args:
        s3: An S3 client with the crawler's role.
        target: The `S3Target` of the crawler.
        prefix: The prefix of the table names.
        log: Receives a warning for each file in another format, and for each column with
            conflicting types.

    Raises:
        ClientError: S3 returned an error.
    """
    bucket, path = split_location(target["Path"])
    location = f"s3://{bucket}/{path}"
    contents = _read_contents(s3, location, Exclusions(target.get("Exclusions", [])), log)
    if not contents.schemas and not contents.other_files:
        log(f"INFO : {location} contains no files to crawl")
        return []
    name = path.rstrip("/").rpartition("/")[2] or bucket
    if not contents.other_files and _is_one_table(contents.schemas):
        return [_create_table(prefix + name, location, contents.schemas, log)]
    log(
        f"WARN : the files below {location} have different schemas or formats: each folder becomes"
        " a table of its own"
    )
    tables = [
        _create_table(
            prefix + (folder[-1] if folder else name),
            _get_folder_location(location, folder),
            {(): columns},
            log,
        )
        for folder, columns in contents.schemas.items()
    ]
    return tables + [_create_table_of_file(prefix, file) for file in contents.other_files]


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


def _read_contents(s3: Any, location: str, exclusions: Exclusions, log: Log) -> _Contents:
    _, prefix = split_location(location)
    contents = _Contents()
    for file in list_objects(s3, location):
        path = file.key.removeprefix(prefix)
        if exclusions.match(path) or _is_folder_marker(file):
            continue
        try:
            columns = read_parquet_schema(s3, file)
        except NotParquetError as error:
            log(f"WARN : {error}")
            contents.other_files.append(file)
            continue
        folder = tuple(path.split("/")[:-1])
        merge_columns(contents.schemas.setdefault(folder, {}), columns, file.uri, log)
    return contents


def _is_folder_marker(file: S3File) -> bool:
    """Return whether an object only makes a folder visible in the S3 console."""
    return file.key.endswith("/") and not file.size


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
    keys = _get_keys(next(iter(schemas)))
    table = DiscoveredTable(_get_table_name(name), location, list(keys))
    for folder, columns in schemas.items():
        folder_location = _get_folder_location(location, folder)
        merge_columns(table.columns, columns, folder_location, log)
        if folder:
            values = [part.partition("=")[2] or part for part in folder]
            table.partitions.append((values, folder_location))
    return table


def _create_table_of_file(prefix: str, file: S3File) -> DiscoveredTable:
    name = file.key.rpartition("/")[2]
    return DiscoveredTable(_get_table_name(prefix + name), file.uri, [], classification="UNKNOWN")


def _get_table_name(text: str) -> str:
    """Return a name for the catalog: lowercase letters, digits, and underscores."""
    return re.sub(r"\W", "_", text.lower())


def _get_keys(folder: Folder) -> tuple[str, ...]:
    """Return the partition keys: `run_id` for a folder `run_id=x`, else `partition_<depth>`."""
    return tuple(
        part.partition("=")[0].lower() if "=" in part else f"partition_{depth}"
        for depth, part in enumerate(folder)
    )


def _get_folder_location(location: str, folder: Folder) -> str:
    return location + "".join(f"{part}/" for part in folder)
