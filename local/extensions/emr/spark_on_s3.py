"""Configures Spark on this machine so that steps run with unchanged `s3://` arguments.

Hadoop's ViewFs maps the `s3` scheme to local folders, one per bucket (see `S3Copy`). The settings
are in Spark's configuration folder.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.extensions.s3.bucket_copy import S3Copy
from local.extensions.s3.files import split_uri
from local.spark import spark_settings

SPARK_SUBMIT = "spark-submit"
_SCHEME = "s3://"
_PARTITIONS_PER_CORE = 4
_DRIVER_MEMORY = "1g"
# Settings of a cluster that describe its machines, so they do not apply here.
_CLUSTER_ONLY_PREFIXES = (
    "spark.driver.",
    "spark.dynamicAllocation.",
    "spark.executor.",
    "spark.master",
    "spark.submit.",
    "spark.yarn.",
)
_FILE_SYSTEM_SETTINGS = {
    "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
    "spark.hadoop.fs.viewfs.overload.scheme.target.s3.impl": (
        "org.apache.hadoop.fs.RawLocalFileSystem"
    ),
    # Unlike the default implementation, this one writes no checksum files.
    "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
}


def prepare(
    arguments: Sequence[str], cluster: Mapping[str, Any], copy: S3Copy, folder: Path
) -> dict[str, str]:
    """Copy what the arguments name from S3, and write Spark's configuration.

    Args:
        arguments: The arguments of `spark-submit`. Each `s3://` URI in them names an object, a
            folder, or a bucket that the job may read or write.
        cluster: MiniStack's record of the cluster.
        copy: The copy of S3 that the job works on.
        folder: The step's folder, which contains the folder `tmp`.

    Returns:
        The environment variables that the job needs.

    Raises:
        S3AccessError: S3 denied access to something that the arguments name.
        JavaNotFoundError: This machine has no suitable Java.
    """
    uris = [uri for argument in arguments for uri in _get_uris(argument)]
    named_bytes = 0
    for uri in sorted(uris, key=_is_bucket):
        fetched_bytes = copy.fetch(uri)
        # A bucket is where a job writes, so its size says nothing about the size of the input.
        named_bytes += 0 if _is_bucket(uri) else fetched_bytes
    _write_configuration(uris, named_bytes, cluster, copy, folder)
    return spark_settings.environment_variables() | {
        "SPARK_CONF_DIR": str(folder / "conf"),
        "SPARK_LOCAL_DIRS": str(folder / "tmp"),
    }


def _write_configuration(
    uris: Sequence[str], input_bytes: int, cluster: Mapping[str, Any], copy: S3Copy, folder: Path
) -> None:
    # The steps that can run at the same time share this machine.
    cores = max(1, (os.cpu_count() or 1) // cluster["StepConcurrencyLevel"])
    jvm_options = [
        # The JVM ignores TMPDIR, and writes performance data to the system's temporary folder.
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        "-XX:-UsePerfData",
        *spark_settings.jvm_options(input_bytes),
    ]
    settings = {
        **{
            name: value
            for name, value in get_spark_defaults(cluster).items()
            if not name.startswith(_CLUSTER_ONLY_PREFIXES)
        },
        "spark.master": f"local[{cores}]",
        "spark.driver.memory": _DRIVER_MEMORY,
        **spark_settings.SINGLE_MACHINE_SETTINGS,
        # The default of 200 is for clusters.
        "spark.sql.shuffle.partitions": str(_PARTITIONS_PER_CORE * cores),
        "spark.driver.extraJavaOptions": shlex.join(jvm_options),
        "spark.sql.warehouse.dir": (folder / "tmp").as_uri(),
        **_FILE_SYSTEM_SETTINGS,
    }
    for bucket in sorted({split_uri(uri)[0] for uri in uris}):
        mount_point = f"spark.hadoop.fs.viewfs.mounttable.{bucket}.linkFallback"
        settings[mount_point] = copy.bucket_folder(bucket).as_uri()
    configuration = folder / "conf"
    configuration.mkdir()
    lines = (f"{name} {value}\n" for name, value in settings.items())
    (configuration / "spark-defaults.conf").write_text("".join(lines))


def _get_uris(argument: str) -> list[str]:
    """Return the S3 URIs of an argument, which may be a list or an option with its value."""
    value = argument.partition("=")[2] if argument.startswith("--") else argument
    return [part for part in value.split(",") if part.startswith(_SCHEME)]


def _is_bucket(uri: str) -> bool:
    """Return whether a URI names a whole bucket."""
    return not split_uri(uri)[1]


def get_spark_defaults(cluster: Mapping[str, Any]) -> dict[str, str]:
    """Return the cluster's `spark-defaults`, given MiniStack's record of the cluster."""
    return {
        name: value
        for configuration in cluster.get("Configurations", [])
        if configuration.get("Classification") == "spark-defaults"
        for name, value in configuration.get("Properties", {}).items()
    }
