"""Spark on this machine for arguments that were written for a cluster: `s3://` stays `s3://`.

Hadoop's ViewFs serves the scheme from a folder, one for each bucket. So nothing is changed on the
command line; what has to be told to Spark stands in its configuration folder.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract import layout
from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from local.extensions.s3.bucket_copy import S3Copy
from local.extensions.s3.files import split_uri
from local.spark import spark_settings

SPARK_SUBMIT = "spark-submit"
_SCHEME = "s3://"
_MEMORY = "1g"
# What a cluster's configuration says of its machines, which are not here.
_OF_MACHINES = (
    "spark.driver.",
    "spark.dynamicAllocation.",
    "spark.executor.",
    "spark.master",
    "spark.submit.",
    "spark.yarn.",
)
_FILE_SYSTEM = {
    "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
    "spark.hadoop.fs.viewfs.overload.scheme.target.s3.impl": (
        "org.apache.hadoop.fs.RawLocalFileSystem"
    ),
    # The raw one, which puts no checksum file beside each file.
    "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
}


@dataclass(frozen=True)
class _Places:
    """URIs on S3: what a job may read, where it writes, and the buckets of all of them."""

    read: Sequence[str]
    written: Sequence[str]
    buckets: frozenset[str]


def prepare(
    arguments: Sequence[str], cluster: Mapping[str, Any], copy: S3Copy, folder: Path
) -> dict[str, str]:
    """Fetch what the arguments name and write the configuration; Spark's part of the environment.

    `folder` is the step's own, and has `tmp`. S3AccessError, NoJavaError.
    """
    places = _places(arguments)
    size = sum(copy.fetch(uri) for uri in places.read)
    for uri in places.written:
        copy.outline(uri)
    # This machine's, shared by the jobs that may run at once.
    cores = max(1, (os.cpu_count() or 1) // cluster["StepConcurrencyLevel"])
    settings = {
        **_of_cluster(cluster),
        "spark.master": f"local[{cores}]",
        "spark.driver.memory": _MEMORY,
        **spark_settings.on_one_machine(cores),
        "spark.sql.warehouse.dir": (folder / "tmp").as_uri(),
        **_FILE_SYSTEM,
        **{
            f"spark.hadoop.fs.viewfs.mounttable.{name}.linkFallback": copy.bucket(name).as_uri()
            for name in sorted(places.buckets)
        },
    }
    # Java does not ask TMPDIR, and leaves a file of its figures in the system's folder.
    java = [
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        "-XX:-UsePerfData",
        *spark_settings.java_options(size),
    ]
    settings["spark.driver.extraJavaOptions"] = " ".join(java)
    configuration = folder / "conf"
    configuration.mkdir()
    lines = (f"{name} {value}\n" for name, value in settings.items())
    (configuration / "spark-defaults.conf").write_text("".join(lines))
    return spark_settings.environment() | {
        "SPARK_CONF_DIR": str(configuration),
        "SPARK_LOCAL_DIRS": str(folder / "tmp"),
    }


def _places(arguments: Sequence[str]) -> _Places:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--output", default="")
    parser.add_argument("--run-id", default="")
    parser.add_argument("--curated", action="store_true")
    job, _ = parser.parse_known_args(arguments)

    named = [part for argument in arguments for part in _uris(argument)]
    read = [uri for uri in named if split_uri(uri)[1] and uri != job.output]
    written: list[str] = []
    if job.output.startswith(_SCHEME) and layout.is_run_id(job.run_id):
        # What a job of the contract looks at below its output, and what it writes anew.
        read += _below(
            job.output,
            (
                layout.job_report_key(name, job.run_id)
                for name in (layout.TRANSFORMATION_JOB, layout.KPI_JOB)
            ),
        )
        curated = _below(job.output, (layout.curated_prefix(data, job.run_id) for data in DATASETS))
        kpis = _below(job.output, (layout.kpi_prefix(table, job.run_id) for table in KPI_TABLES))
        if job.curated:
            read, written = [*read, *curated], kpis
        else:
            rejected = (layout.quarantine_prefix(data, job.run_id) for data in DATASETS)
            written = [*curated, *_below(job.output, rejected), *kpis]
    return _Places(read, written, frozenset(split_uri(uri)[0] for uri in named))


def _uris(argument: str) -> list[str]:
    """The S3 URIs of an argument, which may be a list, or an option with its value."""
    value = argument.partition("=")[2] if argument.startswith("--") else argument
    return [part for part in value.split(",") if part.startswith(_SCHEME)]


def _below(root: str, keys: Iterable[str]) -> list[str]:
    return [layout.join_uri(root, key) for key in keys]


def _of_cluster(cluster: Mapping[str, Any]) -> dict[str, str]:
    """The cluster's `spark-defaults` that mean something on one machine."""
    return {
        name: value
        for configuration in cluster.get("Configurations", [])
        if configuration.get("Classification") == "spark-defaults"
        for name, value in configuration.get("Properties", {}).items()
        if not name.startswith(_OF_MACHINES)
    }
