"""Writing a run's tables as Parquet, and counting what is written while it is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F


def cast_to_schema(table: DataFrame, columns: Iterable[tuple[str, str]]) -> DataFrame:
    """The table with exactly these columns, pairs of name and SQL type, in this order."""
    return table.select(*(F.col(name).cast(sql_type).alias(name) for name, sql_type in columns))


class RowCounter:
    """Counts over the rows that pass one point of a plan, known once a write has run the plan."""

    def __init__(self, *aggregates: Column) -> None:
        self._aggregates = aggregates
        self._observation = Observation()

    def watch(self, rows: DataFrame) -> DataFrame:
        """The same rows, counted as they pass."""
        return rows.observe(self._observation, *self._aggregates)

    @property
    def counts(self) -> dict[str, Any]:
        """The value of each aggregate by its name."""
        return dict(self._observation.get)


def write(rows: DataFrame, uri: str) -> None:
    """Write the rows at the URI, in place of what an earlier try of the run left there."""
    rows.write.mode("overwrite").parquet(uri)
