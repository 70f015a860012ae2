"""The ZIP file with the modules of the Spark jobs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from pipeline.release.spark_package import (
    ENTRY_POINTS,
    SOURCE_FOLDER,
    build_spark_package,
    write_spark_package,
)


def test_same_source_produces_same_bytes(tmp_path: Path) -> None:
    write_spark_package(tmp_path / "new" / "jobs.zip")
    copy = tmp_path / "elsewhere"
    for path in SOURCE_FOLDER.rglob("*.py"):
        target = copy / path.relative_to(SOURCE_FOLDER)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        os.utime(target, (0, 2_000_000_000))
    assert (tmp_path / "new" / "jobs.zip").read_bytes() == build_spark_package(copy)


def test_package_contains_every_import_of_the_entry_points(tmp_path: Path) -> None:
    package = tmp_path / "jobs.zip"
    write_spark_package(package)
    names = zipfile.ZipFile(package).namelist()
    assert names == sorted(names)
    assert "contract/datasets.py" in names
    assert "spark/kpis.py" not in names
    # In isolated mode, only the ZIP file and pyspark can be imported.
    site = next(path for path in sys.path if path.endswith("site-packages"))
    for entry_point in ENTRY_POINTS.values():
        code = f"import sys; sys.path[:0] = [{str(package)!r}, {site!r}]; "
        code += f"exec(compile(open({str(entry_point)!r}).read(), 'entry', 'exec'), {{}})"
        subprocess.run([sys.executable, "-I", "-c", code], check=True, cwd=tmp_path)
