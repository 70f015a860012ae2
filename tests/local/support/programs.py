"""A replacement for `spark-submit` on the clusters of tests."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from local.cloud import PROJECT_ROOT

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
    script = folder / "spark-submit"
    values = {
        "paths": f"{PROJECT_ROOT}:{PROJECT_ROOT / 'src'}",
        "python": sys.executable,
        "spark": str(Path(sys.executable).parent / "spark-submit"),
    }
    quoted = {name: shlex.quote(value) for name, value in values.items()}
    script.write_text(_FAKE_SPARK_SUBMIT.format(**quoted))
    script.chmod(0o755)
    return folder
