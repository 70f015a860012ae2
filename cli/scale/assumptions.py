"""The figures that the arithmetic starts from: measured, given by the sources, or estimated.

No cluster of this project has run on AWS yet. An estimate says what a measurement should replace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Origin = Literal["measured", "source code", "documentation", "estimate"]


@dataclass(frozen=True)
class Assumption:
    """A figure and where it comes from.

    Attributes:
        value: The figure.
        unit: Its unit.
        meaning: What it is the figure of.
        origin: How it is known.
        remark: Where it comes from, or what the estimate rests on.
    """

    value: float
    unit: str
    meaning: str
    origin: Origin
    remark: str


MEASURED_RENTALS = 5_000_000
MEASURED_CORES = 2

TRANSFORMATION_SECONDS = Assumption(
    46.5,
    "s",
    "`transformation_job` on 5 million rentals and two cores",
    "measured",
    "[performance.md](performance.md)",
)
KPIS_SECONDS = Assumption(
    46.9,
    "s",
    "`kpis` on 5 million rentals and two cores",
    "measured",
    "[performance.md](performance.md)",
)
START_SECONDS = Assumption(
    5.0, "s", "start of Spark, included in both", "measured", "[performance.md](performance.md)"
)
SMALL_INPUT_SECONDS = Assumption(
    16.0,
    "s",
    "both jobs on 20,080 rentals: the start of Spark, loading classes, and planning",
    "measured",
    "[performance.md](performance.md): 15 to 17 s",
)
BYTES_PER_RENTAL = Assumption(
    96.0,
    "bytes",
    "input for each rental: 89.2 bytes of rentals, the rest of users, vehicles, and locations",
    "measured",
    "the sample data of the benchmark",
)
CLUSTER_FACTOR = Assumption(
    2.0,
    "",
    "how much more core time a cluster needs than one machine",
    "estimate",
    "allows for reading and writing S3, shuffles over the network, and uneven tasks",
)
YARN_GIB = {"m7g.xlarge": 12, "m7g.2xlarge": 24}
VCPUS = {"m7g.xlarge": 4, "m7g.2xlarge": 8}
EXECUTOR_GIB = 4 * 1.1875
EXECUTOR_CORES = 2
DISK_PASSES = Assumption(
    4.0,
    "",
    "bytes of disk traffic for each byte of input: both jobs write and read it once",
    "estimate",
    "caches and shuffles that do not fit into memory",
)
DISK_MIB_PER_SECOND = Assumption(
    125.0,
    "MiB/s",
    "throughput of a gp3 disk",
    "documentation",
    "[EBS pricing](https://aws.amazon.com/ebs/pricing/)",
)
COPY_MIB_PER_SECOND = Assumption(
    512.0,
    "MiB/s",
    "speed at which `pin_inputs` copies a large file: 16 parts of 64 MiB at a time, 2 s each",
    "estimate",
    "the parts are from the source code, their duration is not known",
)
CLUSTER_START_SECONDS = Assumption(
    360.0, "s", "from `CreateCluster` to the start of the steps", "estimate", ""
)
CLUSTER_END_SECONDS = Assumption(
    120.0,
    "s",
    "`TerminateCluster`, which polls once a minute",
    "estimate",
    "[connect-emr](https://docs.aws.amazon.com/step-functions/latest/dg/connect-emr.html)",
)
CRAWL_SECONDS = Assumption(120.0, "s", "a crawl of few partitions", "estimate", "")
CRAWLED_FOLDERS_PER_SECOND = Assumption(
    20.0, "/s", "folders that a crawl looks at", "estimate", "not documented, and not measured"
)
PUBLICATION_SECONDS = Assumption(
    30.0, "s", "`PublishResults`: 15 queries in three groups, and the pointer", "estimate", ""
)
LISTED_PAGES_PER_SECOND = Assumption(
    5.0, "/s", "pages of 1,000 keys that a function lists", "estimate", "0.2 s for each request"
)

ALL = (
    TRANSFORMATION_SECONDS,
    KPIS_SECONDS,
    START_SECONDS,
    SMALL_INPUT_SECONDS,
    BYTES_PER_RENTAL,
    CLUSTER_FACTOR,
    DISK_PASSES,
    DISK_MIB_PER_SECOND,
    COPY_MIB_PER_SECOND,
    CLUSTER_START_SECONDS,
    CLUSTER_END_SECONDS,
    CRAWL_SECONDS,
    CRAWLED_FOLDERS_PER_SECOND,
    PUBLICATION_SECONDS,
    LISTED_PAGES_PER_SECOND,
)


def get_core_seconds_per_million() -> float:
    """Return the measured core time of both jobs together for a million rentals, in seconds."""
    jobs = TRANSFORMATION_SECONDS.value + KPIS_SECONDS.value - 2 * START_SECONDS.value
    return jobs * MEASURED_CORES / (MEASURED_RENTALS / 1_000_000)
