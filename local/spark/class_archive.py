"""An archive of Spark's classes, which Java maps into memory instead of loading them one by one.

A short job spends a sixth of its time on loading and verifying 14,000 classes. Java calls the
technique class-data sharing:
https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html

Java ignores an archive that does not match its version or class path, so an archive can make a job
faster, but not fail.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory

_FOLDER = Path(sys.prefix) / "class-archives"


class ClassArchive:
    """The archive for one installation of Java and Spark.

    Args:
        java_home: The home folder of Java.
        folder: The folder of all archives.
    """

    def __init__(self, java_home: Path, folder: Path = _FOLDER) -> None:
        self._java = java_home / "bin" / "java"
        pyspark = distribution("pyspark")
        self._spark_home = Path(str(pyspark.locate_file("pyspark")))
        release = (java_home / "release").read_bytes()
        digest = hashlib.sha256(b"\0".join([release, bytes(java_home), bytes(self._spark_home)]))
        self._file = folder / f"{pyspark.version}-{digest.hexdigest()[:16]}.jsa"

    @property
    def jvm_options(self) -> list[str]:
        """The JVM options that use the archive; empty if it does not exist."""
        return [f"-XX:SharedArchiveFile={self._file}"] if self._file.exists() else []

    @contextmanager
    def record(self) -> Iterator[Recording | None]:
        """Record the classes that a JVM loads, from which the archive can be created.

        Yields:
            The recording; `None` if the archive exists, or if its folder is not writable.
        """
        try:
            self._file.parent.mkdir(exist_ok=True)
            # Processes that run at the same time do not share their files.
            folder = TemporaryDirectory(dir=self._file.parent)
        except OSError:
            yield None
            return
        with folder as name:
            recording = Recording(self._java, self._spark_home, Path(name), self._file)
            yield None if self._file.exists() else recording


@dataclass(frozen=True)
class Recording:
    """A record of the classes that a JVM loads.

    Attributes:
        java: The program of Java.
        spark_home: The home folder of Spark.
        folder: A temporary folder.
        archive: The archive to create.
    """

    java: Path
    spark_home: Path
    folder: Path
    archive: Path

    @property
    def jvm_options(self) -> list[str]:
        """The options of the JVM whose classes are recorded."""
        return [f"-XX:DumpLoadedClassList={self._class_list}"]

    @property
    def _class_list(self) -> Path:
        return self.folder / "classes"

    def create_archive(self) -> None:
        """Create the archive, after the JVM has ended.

        Raises:
            subprocess.CalledProcessError: Java failed to create the archive.
        """
        part = self.folder / self.archive.name
        subprocess.run(
            [
                str(self.java),
                "-Xshare:dump",
                f"-XX:SharedClassListFile={self._class_list}",
                f"-XX:SharedArchiveFile={part}",
                # Java compares the class path with that of spark-submit, which is this one.
                *("-cp", f"{self.spark_home}/conf:{self.spark_home}/jars/*"),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        part.rename(self.archive)
