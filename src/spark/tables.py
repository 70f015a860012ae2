"""Write tables as Parquet, and count rows while they are written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F


def cast_to_schema(table: DataFrame, columns: Iterable[tuple[str, str]]) -> DataFrame:
    """Return the table with exactly these columns, in this order.

    Args:
        table: A table that has at least these columns.
        columns: Pairs of column name and SQL type.
    """
    return table.select(*(F.col(name).cast(sql_type).alias(name) for name, sql_type in columns))


class RowCounter:
    """Counts the rows of a table, and aggregates over them, while a write computes the table.

    They need no second pass over the data.

    Args:
        aggregates: The aggregates besides `rows`, the number of rows. Each has an alias.
    """

    def __init__(self, *aggregates: Column) -> None:
        self._aggregates = (F.count(F.lit(1)).alias("rows"), *aggregates)
        self._observation = Observation()

    def observe(self, rows: DataFrame) -> DataFrame:
        """Return the same rows, with the aggregates attached to their plan.

        Write the result as it is. If another operation followed, Spark could find out that it has
        no rows and drop the complete plan, and `counts` would never return. If a shuffle followed,
        Spark would count the rows of a repeated stage again.
        """
        return rows.observe(self._observation, *self._aggregates)

    @property
    def counts(self) -> dict[str, Any]:
        """The value of each aggregate by its name. Blocks until a write has executed the plan."""
        return dict(self._observation.get)


def read_single_row(rows: DataFrame) -> dict[str, Any]:
    """Return the one row of an aggregate without groups.

    Raises:
        RuntimeError: There is no row, which is a bug in the job.
    """
    row = rows.first()
    if row is None:
        raise RuntimeError("an aggregate without groups has no row")
    return row.asDict()


def write_table(rows: DataFrame, uri: str) -> None:
    """Write the rows to the URI and replace the output of an earlier attempt of the run."""
    rows.write.mode("overwrite").parquet(uri)
