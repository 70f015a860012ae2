"""Causes of failed Spark jobs that an operator can remove, recognized by the text of an error.

When a process of Spark runs out of memory or disk space, the job itself often sees only that Spark
has stopped.
"""

from __future__ import annotations

_CAUSES = {
    **dict.fromkeys(
        (
            "java.lang.OutOfMemoryError",
            "SparkOutOfMemoryError",
            "insufficient memory for the Java Runtime Environment",
            "Not enough memory to build and broadcast",
            "spark.driver.maxResultSize",
        ),
        "Spark ran out of memory. Give it more: increase --memory of ./run jobs, or choose a larger"
        " worker type of the cluster",
    ),
    "No space left on device": "a disk is full. Free space in the output folder and in the folder"
    " for temporary files, or add storage to the cluster",
    "Disk quota exceeded": "a disk quota is exceeded. Free space in the output folder and in the"
    " folder for temporary files",
    "ExecutorLostFailure": "a worker process of Spark was lost, most likely because its node was"
    " reclaimed or ran out of memory. Run the batch again, with a larger worker type if it happens"
    " again",
}


def find_failure_cause(text: str) -> str | None:
    """Return what went wrong and what to do, or `None` if the text names no known cause."""
    return next((cause for sign, cause in _CAUSES.items() if sign in text), None)
