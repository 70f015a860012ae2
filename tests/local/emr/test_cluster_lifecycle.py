"""Tests of a cluster's lifecycle, with fake steps instead of processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.extensions.emr.cluster_lifecycle import USER_REQUEST, ClusterLifecycle
from local.extensions.emr.validation import ValidationError
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("local")


class FakeStep:
    """A step that ends when the test or the cluster ends it."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._failure: dict[str, str] | None = None

    def run(self) -> dict[str, str] | None:
        assert self._ended.wait(30)
        return self._failure

    def end(self, failure: str = "") -> None:
        """End the step. It succeeds unless a failure is given."""
        self._failure = {"Reason": failure} if failure else None
        self._ended.set()

    def interrupt(self) -> None:
        self.end("interrupted")

    def kill(self) -> None:
        self.end("killed")


class RecordWithHistory(dict[str, Any]):
    """A cluster's record that also keeps all states it has had."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.states = [fields["Status"]["State"]]

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if key == "Status" and value["State"] != self.states[-1]:
            self.states.append(value["State"])


class FakeCluster:
    """A running lifecycle with fake steps, whose IDs are `s-0`, `s-1`, and so on."""

    def __init__(
        self,
        *actions_on_failure: str,
        concurrency: int = 1,
        keep_alive: bool = True,
        is_protected: bool = False,
        start_seconds: float = 0.0,
        idle_seconds: float | None = None,
        start_problem: str = "",
    ) -> None:
        self.processes: dict[str, FakeStep] = {}
        self.record = RecordWithHistory(
            Id="j-1",
            AutoTerminate=not keep_alive,
            TerminationProtected=is_protected,
            StepConcurrencyLevel=concurrency,
            Status={"State": "STARTING", "Timeline": {}},
        )
        self.steps = [
            build_step_record(f"s-{number}", action)
            for number, action in enumerate(actions_on_failure)
        ]
        self.lifecycle = ClusterLifecycle(
            self.record,
            self.steps,
            self._create_step,
            lambda: start_problem,
            start_seconds,
            idle_seconds,
        )
        self._thread = threading.Thread(target=self.lifecycle.run, daemon=True)
        self._thread.start()

    def _create_step(self, _: dict[str, Any], step: dict[str, Any]) -> FakeStep:
        return self.processes.setdefault(step["Id"], FakeStep())

    @property
    def state(self) -> str:
        return str(self.record["Status"]["State"])

    @property
    def step_states(self) -> list[str]:
        return [step["Status"]["State"] for step in self.steps]

    def wait_for_states(self, *step_states: str, cluster: str = "") -> None:
        """Wait until the steps, and the cluster if given, are in these states."""
        assert wait_until(
            lambda: self.step_states == list(step_states) and cluster in ("", self.state), 10
        ), (self.step_states, self.state)

    def terminate(self) -> None:
        self.lifecycle.terminate(USER_REQUEST)
        self._thread.join(10)


def build_step_record(step_id: str, action_on_failure: str) -> dict[str, Any]:
    return {
        "Id": step_id,
        "ActionOnFailure": action_on_failure,
        "Status": {"State": "PENDING", "Timeline": {}},
    }


StartCluster = Callable[..., FakeCluster]


@pytest.fixture
def start_cluster() -> Iterator[StartCluster]:
    clusters: list[FakeCluster] = []

    def start(*actions_on_failure: str, **options: Any) -> FakeCluster:
        clusters.append(FakeCluster(*actions_on_failure, **options))
        return clusters[-1]

    yield start
    for cluster in clusters:
        cluster.terminate()


def test_cluster_passes_through_all_states_in_order(start_cluster: StartCluster) -> None:
    cluster = start_cluster("CONTINUE")
    cluster.wait_for_states("RUNNING", cluster="RUNNING")
    cluster.processes["s-0"].end()
    cluster.wait_for_states("COMPLETED", cluster="WAITING")
    cluster.terminate()
    assert cluster.record.states == [
        "STARTING",
        "BOOTSTRAPPING",
        "RUNNING",
        "WAITING",
        "TERMINATING",
        "TERMINATED",
    ]
    timeline = cluster.record["Status"]["Timeline"]
    assert timeline["ReadyDateTime"] <= timeline["EndDateTime"]


def test_steps_wait_while_cluster_starts(start_cluster: StartCluster) -> None:
    cluster = start_cluster("CONTINUE", start_seconds=60)
    assert cluster.step_states == ["PENDING"]
    cluster.terminate()
    assert cluster.step_states == ["CANCELLED"]
    assert cluster.state == "TERMINATED"


def test_cluster_that_cannot_start_terminates_with_reason(start_cluster: StartCluster) -> None:
    cluster = start_cluster("CONTINUE", start_problem="The role is not trusted.")
    cluster.wait_for_states("CANCELLED", cluster="TERMINATED_WITH_ERRORS")
    assert cluster.record["Status"]["StateChangeReason"] == {
        "Code": "VALIDATION_ERROR",
        "Message": "The role is not trusted.",
    }


@pytest.mark.parametrize(
    ("concurrency", "initial_states"),
    [(1, ["RUNNING", "PENDING", "PENDING"]), (2, ["RUNNING", "RUNNING", "PENDING"])],
)
def test_step_concurrency_level_limits_running_steps(
    start_cluster: StartCluster, concurrency: int, initial_states: list[str]
) -> None:
    cluster = start_cluster("CONTINUE", "CONTINUE", "CONTINUE", concurrency=concurrency)
    cluster.wait_for_states(*initial_states)
    cluster.processes["s-0"].end()
    if concurrency == 1:
        cluster.wait_for_states("COMPLETED", *initial_states[:2])
    else:
        cluster.wait_for_states("COMPLETED", "RUNNING", "RUNNING")


@pytest.mark.parametrize(
    ("action", "second_step_state", "cluster_state"),
    [
        ("CONTINUE", "RUNNING", "RUNNING"),
        ("CANCEL_AND_WAIT", "CANCELLED", "WAITING"),
        ("TERMINATE_CLUSTER", "CANCELLED", "TERMINATED_WITH_ERRORS"),
    ],
)
def test_failed_step_triggers_its_action_on_failure(
    start_cluster: StartCluster, action: str, second_step_state: str, cluster_state: str
) -> None:
    cluster = start_cluster(action, "CONTINUE")
    cluster.wait_for_states("RUNNING", "PENDING")
    cluster.processes["s-0"].end("broken")
    cluster.wait_for_states("FAILED", second_step_state, cluster=cluster_state)
    assert cluster.steps[0]["Status"]["FailureDetails"] == {"Reason": "broken"}
    if cluster_state == "TERMINATED_WITH_ERRORS":
        assert cluster.record["Status"]["StateChangeReason"]["Code"] == "STEP_FAILURE"


def test_protected_cluster_survives_failed_step(start_cluster: StartCluster) -> None:
    cluster = start_cluster("TERMINATE_CLUSTER", "CONTINUE", is_protected=True)
    cluster.wait_for_states("RUNNING", "PENDING")
    cluster.processes["s-0"].end("broken")
    cluster.wait_for_states("FAILED", "CANCELLED", cluster="WAITING")


def test_cluster_without_keep_alive_terminates_after_last_step(start_cluster: StartCluster) -> None:
    cluster = start_cluster("CONTINUE", keep_alive=False)
    cluster.wait_for_states("RUNNING")
    cluster.processes["s-0"].end()
    cluster.wait_for_states("COMPLETED", cluster="TERMINATED")
    assert cluster.record["Status"]["StateChangeReason"]["Code"] == "ALL_STEPS_COMPLETED"
    with pytest.raises(ValidationError, match="may not be modified"):
        cluster.lifecycle.check_open()


def test_idle_timeout_applies_only_to_idle_cluster(start_cluster: StartCluster) -> None:
    cluster = start_cluster("CONTINUE", idle_seconds=0.3)
    cluster.wait_for_states("RUNNING")
    start = time.monotonic()
    assert not wait_until(lambda: cluster.state != "RUNNING", 0.6)
    cluster.processes["s-0"].end()
    cluster.wait_for_states("COMPLETED", cluster="TERMINATED")
    assert time.monotonic() - start > 0.9
    assert "idle" in cluster.record["Status"]["StateChangeReason"]["Message"]


def test_terminated_cluster_cancels_its_steps(start_cluster: StartCluster) -> None:
    cluster = start_cluster("CONTINUE", "CONTINUE")
    cluster.wait_for_states("RUNNING", "PENDING")
    cluster.terminate()
    assert cluster.step_states == ["CANCELLED", "CANCELLED"]
    assert cluster.record["Status"]["StateChangeReason"] == {
        "Code": "USER_REQUEST",
        "Message": "Terminated by user request",
    }


def test_pending_and_running_steps_can_be_canceled(start_cluster: StartCluster) -> None:
    cluster = start_cluster("CONTINUE", "CONTINUE")
    cluster.wait_for_states("RUNNING", "PENDING")
    assert cluster.lifecycle.cancel_step("s-1", kill=False) == ""
    assert cluster.step_states == ["RUNNING", "CANCELLED"]
    assert cluster.lifecycle.cancel_step("s-0", kill=False) == ""
    cluster.wait_for_states("CANCELLED", "CANCELLED", cluster="WAITING")
    assert "cannot be canceled" in cluster.lifecycle.cancel_step("s-0", kill=True)
    assert "does not exist" in cluster.lifecycle.cancel_step("s-9", kill=True)
