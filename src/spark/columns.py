"""Helpers that build column expressions."""

from __future__ import annotations

from typing import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F


def let(value: Column, expression: Callable[[Column], Column]) -> Column:
    """Return an expression of a value that is evaluated once, however often the expression uses it.

    Spark evaluates a column again wherever it is used. In the function of a `transform`, a value is
    a variable.
    """
    return F.transform(F.array(value), expression)[0]
