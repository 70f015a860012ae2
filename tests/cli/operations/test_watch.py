"""`./run watch`: what it follows, what it says before a run starts, and the exit code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contract.datasets import DATASETS
from tests.support.json_schemas import check_document
from tests.support.operator_stack import CommandLine, OperatorStack, make_run_id


class Sleep:
    """The waits of a command: something happens in each of them.

    Attributes:
        seconds: How long the command waited each time.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._events: list[Callable[[], Any]] = []

    def then(self, event: Callable[[], Any]) -> None:
        """Let something happen in the next wait that has no event yet."""
        self._events.append(event)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if not self._events:
            raise AssertionError("the command waits for longer than expected")
        self._events.pop(0)()


@pytest.fixture
def sleep(monkeypatch: pytest.MonkeyPatch) -> Sleep:
    sleep = Sleep()
    monkeypatch.setattr("tenacity.nap.time.sleep", sleep)
    return sleep


@pytest.mark.parametrize(
    ("status", "exit_code"), [("PUBLISHED", 0), ("SUPERSEDED", 0), ("VERIFIED", 0), ("FAILED", 3)]
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_run_is_followed_until_it_ends(
    stack: OperatorStack,
    run: CommandLine,
    sleep: Sleep,
    status: str,
    exit_code: int,
    options: list[str],
) -> None:
    run_id = stack.add_run("2026-11", status="RUNNING")
    sleep.then(lambda: None)
    sleep.then(lambda: stack.end_run(run_id, status))
    result = run.on_aws("watch", *options)
    assert result.exit_code == exit_code
    assert sleep.seconds == [5, 5]
    if options:
        check_document(result.document, "watch")
        assert result.document["run"]["status"] == status
    elif exit_code:
        assert f"run {run_id} ended without results: ./run show {run_id} --stack" in result.stderr
    else:
        assert f"Run {run_id}: {status}." in result.stdout


@pytest.mark.parametrize(("status", "exit_code"), [("PUBLISHED", 0), ("FAILED", 3)])
def test_run_that_has_ended_is_not_waited_for(
    stack: OperatorStack, run: CommandLine, sleep: Sleep, status: str, exit_code: int
) -> None:
    stack.add_run("2026-11", status=status)
    assert run.on_aws("watch", "2026-11").exit_code == exit_code
    assert sleep.seconds == []


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_time_out_has_its_own_exit_code(
    stack: OperatorStack, run: CommandLine, options: list[str]
) -> None:
    run_id = stack.add_run("2026-11", status="RUNNING")
    result = run.on_aws("watch", "--timeout", "0s", *options)
    assert result.exit_code == 4
    assert f"Run {run_id} did not end within 0:00:00" in result.stderr


def test_interrupt_leaves_the_run_alone(
    stack: OperatorStack, run: CommandLine, sleep: Sleep
) -> None:
    run_id = stack.add_run("2026-11", status="RUNNING")

    def interrupt() -> None:
        raise KeyboardInterrupt

    sleep.then(interrupt)
    result = run.on_aws("watch")
    assert result.exit_code == 130
    assert "a run goes on: ./run watch latest --stack rental-kpi --region eu-west-1" in (
        result.stderr
    )
    assert run.on_aws("runs", "--json").document["runs"][0] | {"seconds": 0} == (
        run.on_aws("runs", "--json").document["runs"][0] | {"seconds": 0, "run_id": run_id}
    )


def test_missing_files_of_a_batch_are_named_before_its_run_starts(
    stack: OperatorStack, run: CommandLine, sleep: Sleep
) -> None:
    earlier = stack.add_run("2026-11", 1)
    batch = "batch/raw/2026-11/"
    file = {
        "dataset": "users",
        "key": "raw/2026-11/users.csv",
        "version_id": "v",
        "size": 1,
        "warnings": [],
        "order": "1",
        "uploaded_at": "2026-11-21T08:00:00Z",
    }
    rejected = {
        "key": "raw/2026-11/vehicles.csv",
        "version_id": "v",
        "order": "2",
        "problems": "the file is empty\x1b[31m",
    }
    stack.put_item({"id": batch, "users": file, "vehicles_rejected": rejected})
    sleep.then(lambda: None)
    sleep.then(lambda: stack.add_run("2026-11", 2))
    result = run.on_aws("watch", "2026-11")
    assert result.exit_code == 0
    assert earlier not in result.stdout
    lines = result.stdout.splitlines()
    assert lines[:5] == [
        "Waiting for batch raw/2026-11/",
        "  users.csv: valid",
        "  vehicles.csv: rejected: the file is empty\\u001b[31m",
        "  locations.csv: missing",
        "  rental_transactions.csv: missing",
    ]
    # The same state is printed once.
    assert result.stdout.count("Waiting for batch") == 1
    assert f"Run {make_run_id('2026-11', 2)}: PUBLISHED." in lines[5]


def test_held_batch_waits_for_a_person(stack: OperatorStack, run: CommandLine) -> None:
    files = {
        dataset.name: {
            "dataset": dataset.name,
            "key": f"raw/2026-11/{dataset.file}",
            "version_id": "v",
            "size": 1,
            "warnings": [],
            "order": "1",
            "uploaded_at": "2026-11-21T08:00:00Z",
        }
        for dataset in DATASETS
    }
    stack.put_item({"id": "batch/raw/2026-11/", **files, "held_run": "x"})
    result = run.on_aws("watch", "2026-11")
    assert result.exit_code == 2
    assert "is held" in result.stderr
    assert "./run start raw/2026-11/ --stack rental-kpi" in result.stderr


def test_waiting_run_is_followed_when_it_has_a_slot(
    stack: OperatorStack, run: CommandLine, sleep: Sleep
) -> None:
    run_id = make_run_id("2026-11", 5)
    stack.put_item(
        {
            "id": "batch/raw/2026-11/",
            "claimed_runs": {run_id: {"claimed_at": "2026-11-21T08:00:00.000000Z", "files": []}},
            "open": "batch",
        }
    )
    sleep.then(lambda: stack.add_run("2026-11", 5))
    result = run.on_aws("watch", run_id)
    assert result.exit_code == 0
    assert f"{run_id} waits until fewer runs are in progress" in result.stdout
    assert sleep.seconds == [5]


@pytest.mark.parametrize("arguments", [["x"], ["--timeout", "soon"], []])
@pytest.mark.usefixtures("stack")
def test_invalid_arguments(run: CommandLine, arguments: list[str]) -> None:
    assert run.on_aws("watch", *arguments).exit_code == 2
