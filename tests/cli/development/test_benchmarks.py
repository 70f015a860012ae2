"""Tests of what the benchmarks read from the logs of the jobs."""

from __future__ import annotations

from bench.jobs import list_phases

LOG = """26/11/25 20:40:55 WARN NativeCodeLoader: Unable to load native-hadoop library
2026-11-25 20:40:58,500 transformation_job: [1/9] users: reading and cleaning
2026-11-25 20:41:10,000 transformation_job: users.csv: unexpected column `remark` is ignored
2026-11-25 20:41:16,700 kpis: [1/6] reading and summarizing rentals
2026-11-25 20:41:59,000 jobs: the job of run r1 is complete
"""


def test_phases_have_the_seconds_since_the_first_one() -> None:
    assert list_phases(LOG) == [
        (0.0, "transformation_job", "users: reading and cleaning"),
        (18.2, "kpis", "reading and summarizing rentals"),
        (60.5, "jobs", "is complete"),
    ]
