"""The zip that gives the Spark jobs their modules, as a file."""

from __future__ import annotations

from pathlib import Path

from pipeline.spark_package import ENTRY_POINTS, KPIS, SOURCE, spark_package

__all__ = ["ENTRY_POINTS", "KPIS", "SOURCE", "build_spark_package"]


def build_spark_package(target: Path) -> None:
    """Write the zip, always to the same bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(spark_package())
