"""The application that YARN would run for a Spark job in cluster mode: its IDs and its logs.

EMR stores the logs of a container below `<log URI>/<cluster>/containers/<application>/<container>/`
(EMR Management Guide, "View log files"). The first container of an application is the one with the
driver. The logs of the step contain only what `spark-submit` reports about the application.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_numbers: Counter[str] = Counter()
_numbers_lock = threading.Lock()


@dataclass(frozen=True)
class YarnApplication:
    """An application of a cluster.

    Attributes:
        cluster_timestamp: When the cluster's YARN started, in milliseconds since 1970.
        number: The number of the application on its cluster, from 1.
    """

    cluster_timestamp: int
    number: int

    @classmethod
    def create(cls, cluster: Mapping[str, Any]) -> YarnApplication:
        """Return the next application of a cluster, given MiniStack's record of the cluster."""
        with _numbers_lock:
            _numbers[cluster["Id"]] += 1
            number = _numbers[cluster["Id"]]
        timestamp = cluster["Status"]["Timeline"]["CreationDateTime"]
        return cls(int(timestamp * 1000), number)

    @property
    def application_id(self) -> str:
        """The ID of the application."""
        return f"application_{self.cluster_timestamp}_{self.number:04}"

    @property
    def driver_folder(self) -> str:
        """The folder of the driver's logs, relative to the folder of the cluster's logs."""
        container = f"container_{self.cluster_timestamp}_{self.number:04}_01_000001"
        return f"containers/{self.application_id}/{container}"

    @property
    def failure(self) -> str:
        """The error of `spark-submit` if the driver has failed."""
        return (
            'Exception in thread "main" org.apache.spark.SparkException: '
            f"Application {self.application_id} finished with failed status"
        )

    def describe_end(self, code: int) -> str:
        """Return what `spark-submit` logs at the end, given the driver's exit code."""
        diagnostics = "N/A" if code == 0 else f"User application exited with status {code}"
        status = "SUCCEEDED" if code == 0 else "FAILED"
        return (
            f"INFO Client: Application report for {self.application_id} (state: FINISHED)\n"
            f"INFO Client: \n\t diagnostics: {diagnostics}\n\t final status: {status}\n"
        )
