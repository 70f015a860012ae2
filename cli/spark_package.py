"""The zip that gives the Spark jobs their modules (`spark-submit --py-files`)."""

from __future__ import annotations

import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
PACKAGES = ("contract", "spark")
KPIS = "kpis"
ENTRY_POINTS = {
    "transformation_job": SOURCE / "spark" / "transformation_job.py",
    KPIS: SOURCE / "spark" / "kpis.py",
}

_EPOCH = (1980, 1, 1, 0, 0, 0)


def build_spark_package(target: Path) -> None:
    """Write the zip; the same source gives the same bytes, whenever and wherever it is built.

    So names are sorted, times and permissions fixed, and nothing is compressed, since compressors
    differ from one version of zlib to the next.
    """
    modules = sorted(
        path
        for package in PACKAGES
        for path in (SOURCE / package).rglob("*.py")
        if path not in ENTRY_POINTS.values()
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in modules:
            entry = zipfile.ZipInfo(path.relative_to(SOURCE).as_posix(), _EPOCH)
            entry.create_system = 3  # Unix, whatever builds it
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes())
