"""What a crawl finds in S3: tables, partitions, columns, and what does not fit together."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from local.extensions.glue.parquet_schema import Columns, NotParquetError, parquet_schema
from local.extensions.s3.files import files_below, split_location

# So large a part of two folders' columns has to be the same for them to be one table's.
_ALIKE = 0.7

Folder = tuple[str, ...]
Log = Callable[[str], None]


@dataclass
class FoundTable:
    """A table as the files have it; `partitions` are values and location of each."""

    name: str
    location: str
    keys: list[str]
    columns: Columns = field(default_factory=dict)
    partitions: list[tuple[list[str], str]] = field(default_factory=list)


def find_tables(s3: Any, target: dict[str, Any], prefix: str, log: Log) -> list[FoundTable]:
    """The tables below an S3 target; each name begins with `prefix`.

    Folders like `run_id=x` are partitions of one table if most of them have much the same columns;
    else each folder becomes a table of its own. `log` is told of what is left out and of columns
    whose types disagree. ClientError as S3 answers it.
    """
    bucket, below = split_location(target["Path"])
    location = f"s3://{bucket}/{below}"
    folders = _schemas(s3, location, target.get("Exclusions", []), log)
    if not folders:
        log(f"INFO : {location} has no files to crawl")
        return []
    name = below.rstrip("/").rpartition("/")[2] or bucket
    if _is_one_table(folders):
        return [_table(prefix + name, location, folders, log)]
    log(f"WARN : folders of unlike schema below {location}: each becomes a table of its own")
    return [
        _table(prefix + (folder[-1] if folder else name), _below(location, folder), {(): one}, log)
        for folder, one in folders.items()
    ]


def merge(into: Columns, found: Columns, what: str, log: Log) -> None:
    """Add the columns that are new. The log is told of those that have another type there."""
    for name, kind in found.items():
        known = into.setdefault(name, kind)
        if known != kind:
            log(f"WARN : schema drift: column {name} is {kind} in {what}, the table keeps {known}")


def _schemas(s3: Any, location: str, exclusions: Iterable[str], log: Log) -> dict[Folder, Columns]:
    """The columns of each folder that holds files, in order of the keys."""
    _, prefix = split_location(location)
    found: dict[Folder, Columns] = {}
    for file in files_below(s3, location):
        key = file.key.removeprefix(prefix)
        if any(fnmatch.fnmatchcase(key, pattern) for pattern in exclusions):
            continue
        try:
            columns = parquet_schema(s3, file)
        except NotParquetError as error:
            log(f"WARN : left out: {error}")
            continue
        merge(found.setdefault(tuple(key.split("/")[:-1]), {}), columns, file.uri, log)
    return found


def _is_one_table(folders: dict[Folder, Columns]) -> bool:
    keys = {tuple(_key(part, place) for place, part in enumerate(one)) for one in folders}
    if len(keys) > 1:
        return False
    schemas = [set(columns) for columns in folders.values()]
    most = max(sum(_alike(one, other) for other in schemas) for one in schemas)
    return 2 * most > len(schemas)


def _alike(one: set[str], other: set[str]) -> bool:
    return len(one & other) >= _ALIKE * len(one | other)


def _table(name: str, location: str, folders: dict[Folder, Columns], log: Log) -> FoundTable:
    keys = [_key(part, place) for place, part in enumerate(next(iter(folders)))]
    # In the catalogue all names are lower case, with no other sign than the underscore.
    table = FoundTable(re.sub(r"\W", "_", name.lower()), location, keys)
    for folder, columns in folders.items():
        place = _below(location, folder)
        merge(table.columns, columns, place, log)
        if folder:
            values = [part.partition("=")[2] or part for part in folder]
            table.partitions.append((values, place))
    return table


def _key(part: str, place: int) -> str:
    """The name of a partition's column: `run_id` of `run_id=x`, else one by its place."""
    name, equals, _ = part.partition("=")
    return name.lower() if equals else f"partition_{place}"


def _below(location: str, folder: Folder) -> str:
    return location + "".join(f"{part}/" for part in folder)
