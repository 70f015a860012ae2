"""Tests of the settings that follow from the input."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from spark.session import set_shuffle_partitions


@pytest.mark.parametrize(
    ("input_bytes", "partitions"),
    [(0, "1"), (1, "1"), (32 * 2**20, "1"), (32 * 2**20 + 1, "2"), (90_000_000_000, "2683")],
)
def test_partitions_follow_the_size_of_the_input(input_bytes: int, partitions: str) -> None:
    settings: dict[str, str] = {}
    spark: Any = SimpleNamespace(conf=SimpleNamespace(set=settings.__setitem__))
    set_shuffle_partitions(spark, input_bytes)
    assert settings == {"spark.sql.shuffle.partitions": partitions}
