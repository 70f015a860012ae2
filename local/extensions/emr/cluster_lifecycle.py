"""One cluster's life: it starts, runs its steps, waits, and ends.

A thread of its own leads it from state to state. Whoever wants something of it says so and returns
at once; the thread sees to it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from local.extensions.emr.validation import ValidationError

_log = logging.getLogger("emr")

Record = dict[str, Any]

_ENDED = ("TERMINATED", "TERMINATED_WITH_ERRORS")
_CLOSED = ("TERMINATING", *_ENDED)
_USER_REQUEST = "USER_REQUEST"


class RunningStep(Protocol):
    """A step's process, from before it starts until what it wrote is stored."""

    def run(self) -> dict[str, str] | None:
        """Run it to its end; null, or EMR's FailureDetails if it failed or was stopped."""

    def interrupt(self) -> None:
        """Ask the process to end."""

    def kill(self) -> None:
        """End the process and all that it started."""


@dataclass(frozen=True)
class ClusterEnd:
    """Why a cluster ends: EMR's code and words, and whether that is an error."""

    code: str
    message: str
    is_error: bool = False


USER_REQUEST = ClusterEnd(_USER_REQUEST, "Terminated by user request")
_DONE = ClusterEnd("ALL_STEPS_COMPLETED", "Steps completed")
_STEP_FAILED = ClusterEnd("STEP_FAILURE", "Shut down as step failed", is_error=True)


def set_state(record: Record, state: str, reason: Record | None = None, **times: float) -> None:
    """Put a cluster or step into a state. The status is replaced whole: others read it meanwhile.

    `times` go into its timeline, in seconds since 1970.
    """
    status = record["Status"]
    record["Status"] = {
        **status,
        "State": state,
        "StateChangeReason": reason or {},
        "Timeline": {**status["Timeline"], **times},
    }


class ClusterLifecycle:
    """The life of the cluster that MiniStack's `record` and `steps` describe."""

    def __init__(
        self,
        record: Record,
        steps: list[Record],
        make_step: Callable[[Record, Record], RunningStep],
        check_start: Callable[[], str],
        start_seconds: float,
        idle_seconds: float | None,
    ) -> None:
        """`make_step` takes cluster and step; `check_start` says what keeps it from starting.

        `idle_seconds` after its last step it ends; never if null.
        """
        self._record = record
        self._steps = steps
        self._make_step = make_step
        self._check_start = check_start
        self._start_seconds = start_seconds
        self._idle_seconds = idle_seconds
        self._idle_since = 0.0
        self._running: dict[str, RunningStep] = {}
        self._ending: ClusterEnd | None = None
        self._changed = threading.Condition()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the cluster still while its record or steps are changed; it then looks again."""
        with self._changed:
            yield
            self._changed.notify_all()

    def require_open(self) -> None:
        """RefusedError if it takes no steps any more."""
        if self._ending or self._record["Status"]["State"] in _CLOSED:
            raise ValidationError(
                "A job flow that is shutting down, terminated, or finished may not be modified."
            )

    def end(self, ending: ClusterEnd) -> None:
        """Begin to end; the first reason counts."""
        with self.changing():
            if self._ending is None:
                self._ending = ending
                self._enter("TERMINATING", {"Code": ending.code, "Message": ending.message})

    def cancel(self, step_id: str, *, kill: bool) -> str:
        """Begin to cancel a step; why it cannot be cancelled, or nothing."""
        with self.changing():
            step = next((step for step in self._steps if step["Id"] == step_id), None)
            if step is None:
                return "The step does not exist."
            state = step["Status"]["State"]
            if state == "PENDING":
                set_state(step, "CANCELLED", _said("Cancelled by user"), EndDateTime=time.time())
            elif state == "RUNNING" or (state == "CANCEL_PENDING" and kill):
                set_state(step, "CANCEL_PENDING", _said("Cancelled by user"))
                running = self._running[step_id]
                running.kill() if kill else running.interrupt()
            else:
                return f"The step is {state} and cannot be cancelled."
        return ""

    def kill_steps(self) -> None:
        """End the processes of all steps that run."""
        with self._changed:
            for running in self._running.values():
                running.kill()

    def live(self) -> None:
        """Lead it through its life; returns when it has ended."""
        try:
            self._start()
            while self._ending is None:
                self._go_on()
        except Exception:  # noqa: BLE001 - logged; no cluster stays as it is because of a bug
            _log.exception("cluster %s", self._record["Id"])
            self.end(ClusterEnd("INTERNAL_ERROR", "An internal error occurred.", is_error=True))
        self._finish()

    def _start(self) -> None:
        with self._changed:
            for state in ("BOOTSTRAPPING", "RUNNING"):
                if self._changed.wait_for(lambda: self._ending, self._start_seconds / 2):
                    return
                if state == "BOOTSTRAPPING" and (problem := self._check_start()):
                    self.end(ClusterEnd("VALIDATION_ERROR", problem, is_error=True))
                    return
                self._enter(state)
            set_state(self._record, "RUNNING", ReadyDateTime=time.time())

    def _go_on(self) -> None:
        with self._changed:
            self._begin_steps()
            if self._running:
                self._enter("RUNNING", _said("Running step"))
                self._changed.wait()
            elif self._record["AutoTerminate"]:
                self.end(_DONE)
            else:
                self._wait_idle()

    def _begin_steps(self) -> None:
        for step in self._steps:
            if len(self._running) >= self._record["StepConcurrencyLevel"]:
                return
            if step["Status"]["State"] == "PENDING":
                running = self._make_step(self._record, step)
                self._running[step["Id"]] = running
                set_state(step, "RUNNING", StartDateTime=time.time())
                threading.Thread(
                    target=self._run_step,
                    args=(step, running),
                    name=f"emr-{step['Id']}",
                    daemon=True,
                ).start()

    def _wait_idle(self) -> None:
        """Wait for a change, or until it has been idle for too long."""
        if self._record["Status"]["State"] != "WAITING":
            self._idle_since = time.monotonic()
            after = "after last step completed" if self._steps else "to run steps"
            self._enter("WAITING", _said(f"Cluster ready {after}."))
        if self._idle_seconds is None or self._record["TerminationProtected"]:
            self._changed.wait()
            return
        left = self._idle_since + self._idle_seconds - time.monotonic()
        if left > 0:
            self._changed.wait(left)
        else:
            # EMR has no code of its own for it; nothing went wrong, so it is the user's policy.
            words = f"Auto-terminated after {self._idle_seconds:g} seconds of idle time"
            self.end(ClusterEnd(_USER_REQUEST, words))

    def _run_step(self, step: Record, running: RunningStep) -> None:
        try:
            failure = running.run()
        except Exception:  # noqa: BLE001 - logged; no step stays RUNNING because of a bug
            _log.exception("step %s", step["Id"])
            failure = {"Reason": "Internal error.", "Message": "The server's log has it."}
        with self.changing():
            del self._running[step["Id"]]
            now = time.time()
            if failure is None:
                set_state(step, "COMPLETED", EndDateTime=now)
            elif step["Status"]["State"] == "CANCEL_PENDING":
                reason = step["Status"]["StateChangeReason"]
                set_state(step, "CANCELLED", reason, EndDateTime=now)
            elif self._ending:
                set_state(step, "CANCELLED", _said("Job terminated"), EndDateTime=now)
            else:
                step["Status"] = {**step["Status"], "FailureDetails": failure}
                set_state(step, "FAILED", EndDateTime=now)
                self._act_on_failure(step["ActionOnFailure"])

    def _act_on_failure(self, action: str) -> None:
        if action == "CONTINUE":
            return
        # A protected cluster stays, so that somebody can look; its further steps do not run.
        self._cancel_pending()
        if action != "CANCEL_AND_WAIT" and not self._record["TerminationProtected"]:
            self.end(_STEP_FAILED)

    def _cancel_pending(self) -> None:
        for step in self._steps:
            if step["Status"]["State"] == "PENDING":
                set_state(step, "CANCELLED", _said("Job terminated"), EndDateTime=time.time())

    def _finish(self) -> None:
        with self._changed:
            self._cancel_pending()
            self.kill_steps()
            self._changed.wait_for(lambda: not self._running)
            ending = self._ending
            state = _ENDED[bool(ending and ending.is_error)]
            self._enter(state, self._record["Status"]["StateChangeReason"], EndDateTime=time.time())

    def _enter(self, state: str, reason: Record | None = None, **times: float) -> None:
        if self._record["Status"]["State"] != state:
            set_state(self._record, state, reason, **times)


def _said(message: str) -> Record:
    return {"Message": message}
