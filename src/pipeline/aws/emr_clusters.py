"""EMR clusters: list, describe, and terminate them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.clock import format_utc
from pipeline.text import truncate

if TYPE_CHECKING:
    from types_boto3_emr import EMRClient
    from types_boto3_emr.literals import ClusterStateType

# A cluster in one of these states costs money until it is terminated.
_ACTIVE_STATES: tuple[ClusterStateType, ...] = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
# Codes of a cluster that ended without an error of its own.
_REGULAR_END_CODES = {"USER_REQUEST", "ALL_STEPS_COMPLETED"}


@dataclass(frozen=True)
class Cluster:
    """A cluster and its state.

    Attributes:
        cluster_id: ID of the cluster.
        state: State of the cluster, such as `RUNNING`.
        tags: The tags by key.
        reason_code: Code of the reason for the state. Empty if there is none.
        reason: Text of the reason for the state. Empty if there is none.
        created_at: Time of the creation, ISO 8601 in UTC.
    """

    cluster_id: str
    state: str
    tags: Mapping[str, str]
    reason_code: str
    reason: str
    created_at: str

    @property
    def is_active(self) -> bool:
        """Whether the cluster is starting or running."""
        return self.state in _ACTIVE_STATES

    @property
    def failure_reason(self) -> str:
        """Why the cluster itself failed, such as missing capacity. Empty if it did not fail."""
        has_failed = self.reason_code and self.reason_code not in _REGULAR_END_CODES
        return f"{self.reason_code}: {self.reason}" if has_failed else ""


def list_active_clusters(emr: EMRClient) -> Iterator[str]:
    """Yield the IDs of the account's clusters that are starting or running, of any owner."""
    for page in emr.get_paginator("list_clusters").paginate(ClusterStates=_ACTIVE_STATES):
        yield from (cluster["Id"] for cluster in page["Clusters"])


def describe_cluster(emr: EMRClient, cluster_id: str) -> Cluster:
    """Return the current state of a cluster."""
    cluster = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]
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


def terminate_cluster(emr: EMRClient, cluster_id: str) -> None:
    """Terminate a cluster.

    One cluster per call: the policy depends on the cluster's tags, and a denied cluster must not
    keep the others running.
    """
    emr.terminate_job_flows(JobFlowIds=[cluster_id])
