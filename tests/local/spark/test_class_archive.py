"""The archive of Spark's classes, created and used by a real Java."""

from __future__ import annotations

import subprocess
from pathlib import Path

from local.spark.class_archive import ClassArchive
from local.spark.java import find_java_home

JAVA_HOME = find_java_home()


def run_java(*options: str) -> subprocess.CompletedProcess[str]:
    command = [str(JAVA_HOME / "bin" / "java"), *options, "-version"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_java_uses_the_archive_that_is_created_from_a_recording(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    archive = ClassArchive(JAVA_HOME, folder)
    assert archive.jvm_options == []
    with archive.record() as recording:
        assert recording is not None
        assert run_java(*recording.jvm_options).returncode == 0
        recording.create_archive()
    [option] = archive.jvm_options
    # With this option, Java fails if it cannot use the archive.
    class_path = f"{recording.spark_home}/conf:{recording.spark_home}/jars/*"
    assert run_java("-Xshare:on", option, "-cp", class_path).returncode == 0
    assert [file.suffix for file in folder.iterdir()] == [".jsa"]


def test_existing_archive_is_not_recorded_again(tmp_path: Path) -> None:
    archive = ClassArchive(JAVA_HOME, tmp_path)
    with archive.record() as recording:
        assert recording is not None
        recording.archive.touch()
    with archive.record() as recording:
        assert recording is None
    assert len(list(tmp_path.iterdir())) == 1


def test_archive_that_does_not_match_makes_no_job_fail(tmp_path: Path) -> None:
    archive = ClassArchive(JAVA_HOME, tmp_path)
    with archive.record() as recording:
        assert recording is not None
        recording.archive.write_text("not an archive")
    assert run_java(*archive.jvm_options).returncode == 0


def test_nothing_is_recorded_in_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with ClassArchive(JAVA_HOME, file / "folder").record() as recording:
        assert recording is None


def test_each_version_of_java_has_its_own_archive(tmp_path: Path) -> None:
    home, files = tmp_path / "java", set()
    home.mkdir()
    for version in ("17.0.1", "17.0.2"):
        (home / "release").write_text(f'JAVA_VERSION="{version}"\n')
        with ClassArchive(home, tmp_path).record() as recording:
            assert recording is not None
            files.add(recording.archive)
    assert len(files) == 2
