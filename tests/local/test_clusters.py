"""EMR's rules: what it refuses, how a cluster lives and ends, and what IAM is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.extensions.emr.cluster_lifecycle import USER_REQUEST, ClusterLifecycle
from local.extensions.emr.validation import ValidationError, check_new_cluster, check_steps
from tests.local.emr_lab import request, shell
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("local")

# What is refused


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in request().items() if key != name}


def _instances(**changes: Any) -> dict[str, Any]:
    whole = request()
    return {**whole, "Instances": {**whole["Instances"], **changes}}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (_without("ServiceRole"), "ServiceRole is required"),
        (_without("JobFlowRole"), "JobFlowRole is required"),
        (_without("Instances"), "Instances is required"),
        (request(ReleaseLabel="7.13"), "release label is invalid"),
        (request(AutoTerminationPolicy={"IdleTimeout": 59}), "between 60 and 604800"),
        (request(AutoTerminationPolicy={"IdleTimeout": 604_801}), "between 60 and 604800"),
        (request(StepConcurrencyLevel=257), "between 1 and 256"),
        (_instances(InstanceGroups=[]), "Exactly one of InstanceFleets"),
        (_instances(MasterInstanceType="m6g.xlarge"), "Exactly one of InstanceFleets"),
        (_instances(InstanceFleets=[{"InstanceFleetType": "CORE"}]), "greater than 0"),
        (
            _instances(InstanceFleets=[{"InstanceFleetType": "CORE", "TargetOnDemandCapacity": 1}]),
            "exactly one master",
        ),
        (_instances(Ec2SubnetId="a", Ec2SubnetIds=["a"]), "cannot be given together"),
        (
            request(StepConcurrencyLevel=2, Steps=[shell("true", "CANCEL_AND_WAIT")]),
            "CANCEL_AND_WAIT is not valid",
        ),
    ],
)
def test_a_cluster_that_emr_would_not_make_is_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        check_new_cluster(asked)


def test_a_cluster_as_the_state_machine_asks_for_is_not_refused() -> None:
    check_new_cluster(request(StepConcurrencyLevel=2, AutoTerminationPolicy={"IdleTimeout": 1800}))


@pytest.mark.parametrize("action", ["TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW", "CANCEL_AND_WAIT"])
def test_only_continue_goes_with_steps_side_by_side(action: str) -> None:
    check_steps([shell("true", action)], level=1)
    with pytest.raises(ValidationError, match="has to be CONTINUE"):
        check_steps([shell("true", action)], level=2)


# How it lives, without processes


class _Fake:
    """A step that ends when it is told to."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.failure: dict[str, str] | None = None

    def run(self) -> dict[str, str] | None:
        assert self.over.wait(30)
        return self.failure

    def end(self, failure: str = "") -> None:
        self.failure = {"Reason": failure} if failure else None
        self.over.set()

    def interrupt(self) -> None:
        self.end("interrupted")

    def kill(self) -> None:
        self.end("killed")


class _Cluster:
    """A cluster whose steps are fakes; leaves a note of each state that it enters."""

    def __init__(
        self,
        *steps: str,
        level: int = 1,
        keep_alive: bool = True,
        protected: bool = False,
        start_seconds: float = 0.0,
        idle_seconds: float | None = None,
        problem: str = "",
    ) -> None:
        self.fakes: dict[str, _Fake] = {}
        self.record: dict[str, Any] = _Noting(
            Id="j-1",
            AutoTerminate=not keep_alive,
            TerminationProtected=protected,
            StepConcurrencyLevel=level,
            Status={"State": "STARTING", "Timeline": {}},
        )
        self.steps = [_step(f"s-{number}", action) for number, action in enumerate(steps)]
        self.life = ClusterLifecycle(
            self.record, self.steps, self._make, lambda: problem, start_seconds, idle_seconds
        )
        self._thread = threading.Thread(target=self.life.live, daemon=True)
        self._thread.start()

    def _make(self, _: dict[str, Any], step: dict[str, Any]) -> _Fake:
        return self.fakes.setdefault(step["Id"], _Fake())

    @property
    def state(self) -> str:
        return str(self.record["Status"]["State"])

    def states(self) -> list[str]:
        """The steps' states."""
        return [step["Status"]["State"] for step in self.steps]

    def wait(self, *states: str, cluster: str = "") -> None:
        """Until the steps, and the cluster, are in these states."""
        assert wait_until(
            lambda: self.states() == list(states) and cluster in ("", self.state), 10
        ), (self.states(), self.state)

    def end(self) -> None:
        self.life.end(USER_REQUEST)
        self._thread.join(10)


class _Noting(dict[str, Any]):
    """A record that remembers its states."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.seen = [fields["Status"]["State"]]

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if key == "Status" and value["State"] != self.seen[-1]:
            self.seen.append(value["State"])


def _step(step_id: str, action: str) -> dict[str, Any]:
    return {
        "Id": step_id,
        "ActionOnFailure": action,
        "Status": {"State": "PENDING", "Timeline": {}},
    }


MakeCluster = Callable[..., _Cluster]


@pytest.fixture
def make() -> Iterator[MakeCluster]:
    made: list[_Cluster] = []

    def make_cluster(*steps: str, **how: Any) -> _Cluster:
        made.append(_Cluster(*steps, **how))
        return made[-1]

    yield make_cluster
    for cluster in made:
        cluster.end()


def test_a_cluster_passes_through_its_states_in_order(make: MakeCluster) -> None:
    cluster = make("CONTINUE")
    cluster.wait("RUNNING", cluster="RUNNING")
    cluster.fakes["s-0"].end()
    cluster.wait("COMPLETED", cluster="WAITING")
    cluster.end()
    assert cluster.record.seen == [  # type: ignore[attr-defined]
        "STARTING",
        "BOOTSTRAPPING",
        "RUNNING",
        "WAITING",
        "TERMINATING",
        "TERMINATED",
    ]
    times = cluster.record["Status"]["Timeline"]
    assert times["ReadyDateTime"] <= times["EndDateTime"]


def test_steps_of_a_starting_cluster_wait(make: MakeCluster) -> None:
    cluster = make("CONTINUE", start_seconds=60)
    assert cluster.states() == ["PENDING"]
    cluster.end()
    assert cluster.states() == ["CANCELLED"]
    assert cluster.state == "TERMINATED"


def test_a_cluster_that_cannot_start_ends_with_the_reason(make: MakeCluster) -> None:
    cluster = make("CONTINUE", problem="Nobody trusts us.")
    cluster.wait("CANCELLED", cluster="TERMINATED_WITH_ERRORS")
    assert cluster.record["Status"]["StateChangeReason"] == {
        "Code": "VALIDATION_ERROR",
        "Message": "Nobody trusts us.",
    }


@pytest.mark.parametrize(
    ("level", "first"),
    [(1, ["RUNNING", "PENDING", "PENDING"]), (2, ["RUNNING", "RUNNING", "PENDING"])],
)
def test_as_many_steps_run_as_the_level_says(
    make: MakeCluster, level: int, first: list[str]
) -> None:
    cluster = make("CONTINUE", "CONTINUE", "CONTINUE", level=level)
    cluster.wait(*first)
    cluster.fakes["s-0"].end()
    cluster.wait("COMPLETED", *first[:2]) if level == 1 else cluster.wait(
        "COMPLETED", "RUNNING", "RUNNING"
    )


@pytest.mark.parametrize(
    ("action", "second", "state"),
    [
        ("CONTINUE", "RUNNING", "RUNNING"),
        ("CANCEL_AND_WAIT", "CANCELLED", "WAITING"),
        ("TERMINATE_CLUSTER", "CANCELLED", "TERMINATED_WITH_ERRORS"),
    ],
)
def test_a_failed_step_does_what_it_says(
    make: MakeCluster, action: str, second: str, state: str
) -> None:
    cluster = make(action, "CONTINUE")
    cluster.wait("RUNNING", "PENDING")
    cluster.fakes["s-0"].end("broken")
    cluster.wait("FAILED", second, cluster=state)
    assert cluster.steps[0]["Status"]["FailureDetails"] == {"Reason": "broken"}
    if state == "TERMINATED_WITH_ERRORS":
        assert cluster.record["Status"]["StateChangeReason"]["Code"] == "STEP_FAILURE"


def test_a_protected_cluster_outlives_a_step_that_would_end_it(make: MakeCluster) -> None:
    cluster = make("TERMINATE_CLUSTER", "CONTINUE", protected=True)
    cluster.wait("RUNNING", "PENDING")
    cluster.fakes["s-0"].end("broken")
    cluster.wait("FAILED", "CANCELLED", cluster="WAITING")


def test_a_cluster_without_more_steps_ends_if_nothing_keeps_it(make: MakeCluster) -> None:
    cluster = make("CONTINUE", keep_alive=False)
    cluster.wait("RUNNING")
    cluster.fakes["s-0"].end()
    cluster.wait("COMPLETED", cluster="TERMINATED")
    assert cluster.record["Status"]["StateChangeReason"]["Code"] == "ALL_STEPS_COMPLETED"
    with pytest.raises(ValidationError, match="may not be modified"):
        cluster.life.require_open()


def test_an_idle_cluster_ends_and_a_working_one_does_not(make: MakeCluster) -> None:
    cluster = make("CONTINUE", idle_seconds=0.3)
    cluster.wait("RUNNING")
    began = time.monotonic()
    assert not wait_until(lambda: cluster.state != "RUNNING", 0.6)
    cluster.fakes["s-0"].end()
    cluster.wait("COMPLETED", cluster="TERMINATED")
    assert time.monotonic() - began > 0.9
    assert "idle" in cluster.record["Status"]["StateChangeReason"]["Message"]


def test_the_end_of_a_cluster_ends_its_steps(make: MakeCluster) -> None:
    cluster = make("CONTINUE", "CONTINUE")
    cluster.wait("RUNNING", "PENDING")
    cluster.end()
    assert cluster.states() == ["CANCELLED", "CANCELLED"]
    assert cluster.record["Status"]["StateChangeReason"] == {
        "Code": "USER_REQUEST",
        "Message": "Terminated by user request",
    }


def test_steps_are_cancelled_before_and_while_they_run(make: MakeCluster) -> None:
    cluster = make("CONTINUE", "CONTINUE")
    cluster.wait("RUNNING", "PENDING")
    assert cluster.life.cancel("s-1", kill=False) == ""
    assert cluster.states() == ["RUNNING", "CANCELLED"]
    assert cluster.life.cancel("s-0", kill=False) == ""
    cluster.wait("CANCELLED", "CANCELLED", cluster="WAITING")
    assert "cannot be cancelled" in cluster.life.cancel("s-0", kill=True)
    assert "does not exist" in cluster.life.cancel("s-9", kill=True)
