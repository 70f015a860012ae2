"""A spark-submit that copies the output of an earlier run of the real jobs, in milliseconds.

Usage:
    python precomputed_spark_submit.py FOLDER … JOB.py --input URI --output URI --run-id ID

It is for tests of many runs of the same input. FOLDER contains one folder for each job, such as
`kpis`, with everything that the job wrote in the run `RUN`. As with `fake_spark_submit`, the bucket
is the folder `s3/<bucket>`. Only the standard library is used, so that the program starts quickly.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath
from urllib.parse import urlsplit

RUN = "precomputed-run"


def main(arguments: Sequence[str]) -> None:
    """Copy the output of a job to that of another run."""
    source, *options = arguments
    job = next(PurePath(argument).stem for argument in options if argument.endswith(".py"))
    output = urlsplit(options[options.index("--output") + 1])
    run_id = options[options.index("--run-id") + 1]
    bucket = Path("s3", output.netloc, output.path.lstrip("/"))
    for file in (path for path in Path(source, job).rglob("*") if path.is_file()):
        target = bucket / str(file.relative_to(Path(source, job))).replace(RUN, run_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".json":
            target.write_text(file.read_text().replace(RUN, run_id))
        else:
            shutil.copyfile(file, target)


if __name__ == "__main__":
    main(sys.argv[1:])
