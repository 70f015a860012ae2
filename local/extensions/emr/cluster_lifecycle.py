"""The lifecycle of a cluster: it starts, runs its steps, waits, and terminates.

One thread per cluster moves it from state to state. Other threads request changes and return
immediately; the cluster's thread carries them out.
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
"""MiniStack's record of a cluster or of a step."""

_FINAL_STATES = ("TERMINATED", "TERMINATED_WITH_ERRORS")
_CLOSED_STATES = ("TERMINATING", *_FINAL_STATES)
_USER_REQUEST = "USER_REQUEST"


class StepProcess(Protocol):
    """The process of a step, including the storage of its output."""

    def run(self) -> dict[str, str] | None:
        """Run the step to completion.

        Returns:
            EMR's `FailureDetails` if the step failed or was stopped, else `None`.
        """

    def interrupt(self) -> None:
        """Ask the process to stop."""

    def kill(self) -> None:
        """Kill the process and its descendants."""


@dataclass(frozen=True)
class TerminationReason:
    """Why a cluster terminates.

    Attributes:
        code: EMR's code for the reason.
        message: EMR's message.
        is_error: Whether the cluster's final state is TERMINATED_WITH_ERRORS.
    """

    code: str
    message: str
    is_error: bool = False


USER_REQUEST = TerminationReason(_USER_REQUEST, "Terminated by user request")
_STEPS_COMPLETED = TerminationReason("ALL_STEPS_COMPLETED", "Steps completed")
_STEP_FAILED = TerminationReason("STEP_FAILURE", "Shut down as step failed", is_error=True)
_INTERNAL_ERROR = TerminationReason("INTERNAL_ERROR", "An internal error occurred.", is_error=True)


def set_state(record: Record, state: str, reason: Record | None = None, **times: float) -> None:
    """Set the state of a cluster or step.

    The status is replaced, not changed, because other threads read it at the same time.

    Args:
        record: The cluster or step.
        state: The new state.
        reason: The `StateChangeReason`.
        **times: Entries of the status's timeline, in seconds since 1970.
    """
    status = record["Status"]
    record["Status"] = {
        **status,
        "State": state,
        "StateChangeReason": reason or {},
        "Timeline": {**status["Timeline"], **times},
    }


class ClusterLifecycle:
    """The lifecycle of one cluster."""

    def __init__(
        self,
        record: Record,
        steps: list[Record],
        create_step: Callable[[Record, Record], StepProcess],
        check_start: Callable[[], str],
        start_seconds: float,
        idle_seconds: float | None,
    ) -> None:
        """Prepare the lifecycle; `run` starts it.

        Args:
            record: MiniStack's record of the cluster.
            steps: MiniStack's records of the cluster's steps. New steps are appended to it.
            create_step: Creates the process of a step from the records of cluster and step.
            check_start: Returns what prevents the cluster from starting, or an empty string.
            start_seconds: How long the cluster takes to start.
            idle_seconds: How long after its last step the cluster terminates. `None` disables the
                termination of idle clusters.
        """
        self._record = record
        self._steps = steps
        self._create_step = create_step
        self._check_start = check_start
        self._start_seconds = start_seconds
        self._idle_seconds = idle_seconds
        self._idle_since = 0.0
        self._running: dict[str, StepProcess] = {}
        self._termination: TerminationReason | None = None
        self._changed = threading.Condition()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Lock the cluster while its record or steps are changed, then wake its thread."""
        with self._changed:
            yield
            self._changed.notify_all()

    def check_open(self) -> None:
        """Check that the cluster can still be changed.

        Raises:
            ValidationError: The cluster is terminating or terminated.
        """
        if self._termination or self._record["Status"]["State"] in _CLOSED_STATES:
            raise ValidationError(
                "A job flow that is shutting down, terminated, or finished may not be modified."
            )

    def terminate(self, reason: TerminationReason) -> None:
        """Start to terminate the cluster. Only the first reason is recorded."""
        with self.changing():
            if self._termination is None:
                self._termination = reason
                self._enter("TERMINATING", {"Code": reason.code, "Message": reason.message})

    def cancel_step(self, step_id: str, *, kill: bool) -> str:
        """Start to cancel a step.

        Args:
            step_id: The step to cancel.
            kill: Whether to kill a running step instead of asking it to stop.

        Returns:
            Why the step cannot be canceled, or an empty string.
        """
        with self.changing():
            step = next((step for step in self._steps if step["Id"] == step_id), None)
            if step is None:
                return "The step does not exist."
            state = step["Status"]["State"]
            if state == "PENDING":
                set_state(step, "CANCELLED", _reason("Cancelled by user"), EndDateTime=time.time())
            elif state == "RUNNING" or (state == "CANCEL_PENDING" and kill):
                set_state(step, "CANCEL_PENDING", _reason("Cancelled by user"))
                process = self._running[step_id]
                process.kill() if kill else process.interrupt()
            else:
                return f"The step is {state} and cannot be canceled."
        return ""

    def kill_steps(self) -> None:
        """Kill the processes of all running steps."""
        with self._changed:
            for process in self._running.values():
                process.kill()

    def run(self) -> None:
        """Run the lifecycle and return when the cluster has terminated."""
        try:
            self._start()
            while self._termination is None:
                self._run_until_change()
        except Exception:  # noqa: BLE001 - logged; a defect must not keep a cluster alive
            _log.exception("cluster %s failed", self._record["Id"])
            self.terminate(_INTERNAL_ERROR)
        self._finish()

    def _start(self) -> None:
        with self._changed:
            for state in ("BOOTSTRAPPING", "RUNNING"):
                if self._changed.wait_for(lambda: self._termination, self._start_seconds / 2):
                    return
                if state == "BOOTSTRAPPING" and (problem := self._check_start()):
                    self.terminate(TerminationReason("VALIDATION_ERROR", problem, is_error=True))
                    return
                self._enter(state)
            set_state(self._record, "RUNNING", ReadyDateTime=time.time())

    def _run_until_change(self) -> None:
        """Start pending steps, then wait until something changes."""
        with self._changed:
            self._start_pending_steps()
            if self._running:
                self._enter("RUNNING", _reason("Running step"))
                self._changed.wait()
            elif self._record["AutoTerminate"]:
                self.terminate(_STEPS_COMPLETED)
            else:
                self._wait_idle()

    def _start_pending_steps(self) -> None:
        for step in self._steps:
            if len(self._running) >= self._record["StepConcurrencyLevel"]:
                return
            if step["Status"]["State"] == "PENDING":
                process = self._create_step(self._record, step)
                self._running[step["Id"]] = process
                set_state(step, "RUNNING", StartDateTime=time.time())
                threading.Thread(
                    target=self._run_step,
                    args=(step, process),
                    name=f"emr-{step['Id']}",
                    daemon=True,
                ).start()

    def _wait_idle(self) -> None:
        """Wait for a change, and terminate the cluster after too long without a step."""
        if self._record["Status"]["State"] != "WAITING":
            self._idle_since = time.monotonic()
            suffix = "after last step completed" if self._steps else "to run steps"
            self._enter("WAITING", _reason(f"Cluster ready {suffix}."))
        if self._idle_seconds is None or self._record["TerminationProtected"]:
            self._changed.wait()
            return
        remaining = self._idle_since + self._idle_seconds - time.monotonic()
        if remaining > 0:
            self._changed.wait(remaining)
        else:
            # EMR has no code for this case. USER_REQUEST fits best, because nothing failed and the
            # user set the policy.
            message = f"Auto-terminated after {self._idle_seconds:g} seconds of idle time"
            self.terminate(TerminationReason(_USER_REQUEST, message))

    def _run_step(self, step: Record, process: StepProcess) -> None:
        try:
            failure = process.run()
        except Exception:  # noqa: BLE001 - logged; a defect must not leave a step RUNNING
            _log.exception("step %s failed", step["Id"])
            failure = {"Reason": "Internal error.", "Message": "See the log of the local cloud."}
        with self.changing():
            del self._running[step["Id"]]
            now = time.time()
            if failure is None:
                set_state(step, "COMPLETED", EndDateTime=now)
            elif step["Status"]["State"] == "CANCEL_PENDING":
                reason = step["Status"]["StateChangeReason"]
                set_state(step, "CANCELLED", reason, EndDateTime=now)
            elif self._termination:
                set_state(step, "CANCELLED", _reason("Job terminated"), EndDateTime=now)
            else:
                step["Status"] = {**step["Status"], "FailureDetails": failure}
                set_state(step, "FAILED", EndDateTime=now)
                self._apply_action_on_failure(step["ActionOnFailure"])

    def _apply_action_on_failure(self, action: str) -> None:
        if action == "CONTINUE":
            return
        # A protected cluster stays up for inspection, but its pending steps do not run.
        self._cancel_pending_steps()
        if action != "CANCEL_AND_WAIT" and not self._record["TerminationProtected"]:
            self.terminate(_STEP_FAILED)

    def _cancel_pending_steps(self) -> None:
        for step in self._steps:
            if step["Status"]["State"] == "PENDING":
                set_state(step, "CANCELLED", _reason("Job terminated"), EndDateTime=time.time())

    def _finish(self) -> None:
        with self._changed:
            self._cancel_pending_steps()
            self.kill_steps()
            self._changed.wait_for(lambda: not self._running)
            termination = self._termination
            state = _FINAL_STATES[bool(termination and termination.is_error)]
            self._enter(state, self._record["Status"]["StateChangeReason"], EndDateTime=time.time())

    def _enter(self, state: str, reason: Record | None = None, **times: float) -> None:
        if self._record["Status"]["State"] != state:
            set_state(self._record, state, reason, **times)


def _reason(message: str) -> Record:
    return {"Message": message}
