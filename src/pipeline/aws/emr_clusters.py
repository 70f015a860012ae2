"""EMR clusters: which are up, whose they are, and their end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.aws.clients import client
from pipeline.clock import format_utc
from pipeline.text import truncate

if TYPE_CHECKING:
    from types_boto3_emr.literals import ClusterStateType

# Each of these costs money, and would go on doing so.
_UP: tuple[ClusterStateType, ...] = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
# Why a cluster ended that did nothing wrong itself.
_ENDED_BY_US = {"USER_REQUEST", "ALL_STEPS_COMPLETED"}


@dataclass(frozen=True)
class Cluster:
    """A cluster now; `reason_code` and `reason` say why it is in its state, empty if nothing.

    `created_at` is ISO 8601 in UTC.
    """

    cluster_id: str
    state: str
    tags: Mapping[str, str]
    reason_code: str
    reason: str
    created_at: str

    @property
    def is_active(self) -> bool:
        return self.state in _UP

    @property
    def failure_reason(self) -> str:
        """Why the cluster failed by itself, such as no capacity; empty if it did not."""
        failed = self.reason_code and self.reason_code not in _ENDED_BY_US
        return f"{self.reason_code}: {self.reason}" if failed else ""


def list_active_clusters() -> Iterator[str]:
    """The ids of all of the account's clusters that are up or coming up, whoever's they are."""
    for page in client("emr").get_paginator("list_clusters").paginate(ClusterStates=_UP):
        yield from (cluster["Id"] for cluster in page["Clusters"])


def describe_cluster(cluster_id: str) -> Cluster:
    """The cluster as it is now."""
    cluster = client("emr").describe_cluster(ClusterId=cluster_id)["Cluster"]
    status = cluster["Status"]
    reason = status.get("StateChangeReason", {})
    return Cluster(
        cluster_id=cluster_id,
        state=status["State"],
        tags={tag["Key"]: tag["Value"] for tag in cluster.get("Tags", [])},
        reason_code=reason.get("Code") or "",
        reason=truncate(reason.get("Message") or ""),
        created_at=format_utc(status["Timeline"]["CreationDateTime"]),
    )


def terminate_cluster(cluster_id: str) -> None:
    """Tell the cluster to end.

    One a call: where a policy allows it by the cluster's tags, one that is refused does not keep
    the others alive.
    """
    client("emr").terminate_job_flows(JobFlowIds=[cluster_id])
