"""Replacements for `spark-submit` on the clusters of tests."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from local.cloud import PROJECT_ROOT
from pipeline.release.spark_package import ENTRY_POINTS
from tests.support import precomputed_spark_submit

# Runs the pipeline's jobs without Spark, and every other program with the real spark-submit.
_FAKE_SPARK_SUBMIT = """\
#!/bin/sh
case " $* " in
    *"/transformation_job.py "* | *"/kpis.py "*)
        PYTHONPATH={paths} exec {python} -P -m tests.support.fake_spark_submit "$@"
        ;;
esac
exec {spark} "$@"
"""


def create_programs(folder: Path) -> Path:
    """Create a `spark-submit` that runs a job of the pipeline in about a second.

    Args:
        folder: The folder of the program. To use it, set LOCAL_PROGRAMS to this folder before the
            local cloud starts.

    Returns:
        The folder.
    """
    values = {
        "paths": f"{PROJECT_ROOT}:{PROJECT_ROOT / 'src'}",
        "python": sys.executable,
        "spark": str(Path(sys.executable).parent / "spark-submit"),
    }
    quoted = {name: shlex.quote(value) for name, value in values.items()}
    return _write_spark_submit(folder, _FAKE_SPARK_SUBMIT.format(**quoted))


def create_precomputed_programs(folder: Path, batch: Path) -> Path:
    """Create a `spark-submit` that copies what the oracle computes for a batch, in milliseconds.

    Args:
        folder: The folder of the program, as for `create_programs`.
        batch: The folder with the four files of every run.

    Returns:
        The folder.
    """
    for job in ENTRY_POINTS:
        step = folder / "steps" / job
        shutil.copytree(batch, step / "s3" / "input")
        options = ["--input", "s3://input", "--output", "s3://output"]
        options += ["--run-id", precomputed_spark_submit.RUN]
        subprocess.run(
            [sys.executable, "-m", "tests.support.fake_spark_submit", f"{job}.py", *options],
            cwd=step,
            env={"PYTHONPATH": f"{PROJECT_ROOT}:{PROJECT_ROOT / 'src'}"},
            check=True,
        )
        (step / "s3" / "output").rename(folder / job)
    command = [sys.executable, "-I", "-S", precomputed_spark_submit.__file__, str(folder)]
    return _write_spark_submit(folder, f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')


def _write_spark_submit(folder: Path, content: str) -> Path:
    script = folder / "spark-submit"
    script.write_text(content)
    script.chmod(0o755)
    return folder
