"""`./run demo` on the real files, with real Spark."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from local.cloud import PROJECT
from tests.support.results import REAL_DATA

LIMIT = 300  # seconds


@pytest.mark.xdist_group("demo")
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the real files are not here")
def test_the_real_files_come_to_their_known_totals_and_one_mail() -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli", "demo", str(REAL_DATA)],
        env={
            **kept,
            "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "src")]),
            "COLUMNS": "200",
        },
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    said = done.stdout
    assert done.returncode == 0, said
    assert re.search(r"^\W*rentals\W+20,080\W*$", said, re.MULTILINE), said
    assert re.search(r"^\W*revenue\W+16,200,620\.00\W*$", said, re.MULTILINE), said
    [subject] = re.findall(r"Subject: +(.+?) *$", said, re.MULTILINE)
    assert re.fullmatch(r"Rental KPIs \w+: 16,200,620\.00 from 20,080 rentals", subject), said
    for place in ("raw", "batches", "output", "quarantine", "kpi_output", "published_runs"):
        assert re.search(rf"s3://\S+/{place}/  ", said), said
