"""The ZIP file with the modules that the Spark jobs import (`spark-submit --py-files`).

The modules come from the folders next to `pipeline`, which are the same in the project and in a
Lambda function.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

SOURCE_FOLDER = Path(__file__).resolve().parents[2]
PACKAGES = ("contract", "spark")
KPIS = "kpis"
ENTRY_POINTS = {
    "transformation_job": SOURCE_FOLDER / "spark" / "transformation_job.py",
    KPIS: SOURCE_FOLDER / "spark" / "kpis.py",
}
"""The program of each job, by job name."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a ZIP file can contain


def build_spark_package(source: Path = SOURCE_FOLDER) -> bytes:
    """Return the content of the ZIP file. It depends only on the modules.

    File names are sorted, and times and permissions are fixed. Nothing is compressed, because
    versions of zlib compress differently.

    Args:
        source: The folder that contains the packages.
    """
    entry_points = {path.relative_to(SOURCE_FOLDER) for path in ENTRY_POINTS.values()}
    modules = sorted(
        path.relative_to(source)
        for package in PACKAGES
        for path in (source / package).rglob("*.py")
        if path.relative_to(source) not in entry_points
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for path in modules:
            entry = zipfile.ZipInfo(path.as_posix(), _EPOCH)
            entry.create_system = 3  # Unix, on every platform
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, (source / path).read_bytes())
    return content.getvalue()


def write_spark_package(target: Path) -> None:
    """Write the ZIP file to `target`, creating its folder if it does not exist."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(build_spark_package())
