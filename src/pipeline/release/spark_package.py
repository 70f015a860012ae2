"""The zip that gives the Spark jobs their modules (`spark-submit --py-files`), and what it serves.

The sources are taken from beside this package: the same folders in the project and in a Lambda.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
PACKAGES = ("contract", "spark")
KPIS = "kpis"
ENTRY_POINTS = {
    "transformation_job": SOURCE / "spark" / "transformation_job.py",
    KPIS: SOURCE / "spark" / "kpis.py",
}

_EPOCH = (1980, 1, 1, 0, 0, 0)


def spark_package(source: Path = SOURCE) -> bytes:
    """The zip's content; the same source gives the same bytes, whenever and wherever it is built.

    So names are sorted, times and permissions fixed, and nothing is compressed, since compressors
    differ from one version of zlib to the next.
    """
    entry_points = {path.relative_to(SOURCE) for path in ENTRY_POINTS.values()}
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
            entry.create_system = 3  # Unix, whatever builds it
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, (source / path).read_bytes())
    return content.getvalue()


def write_spark_package(target: Path) -> None:
    """Write the zip to `target`, creating its folder if it does not exist."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(spark_package())
