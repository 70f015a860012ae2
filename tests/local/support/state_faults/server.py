"""Server of a local cloud that injects faults into the executions of state machines.

    python -m tests.local.support.state_faults.server STATE_FOLDER [--stop-with-parent]

The faults of the executions for a batch are in the file `faults/<batch>.json` of the state folder,
a list of `Fault` as JSON. For each fault that it injects, the server adds the fault's label to
`faults/<batch>.injected`.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import Any

from local import extensions, server
from tests.local.support.state_faults.faults import ABORT, AFTER, EXECUTION_TIMEOUT, Fault

FAULTS_FOLDER = "faults"
INJECTED_SUFFIX = ".injected"
_STEP_FUNCTIONS = "ministack.services.stepfunctions"

Execution = dict[str, Any]


def main() -> None:
    """Serve as `local.server` does, with faults."""
    install = extensions.install

    def install_with_faults() -> None:
        install()
        _Injector().install()

    extensions.install = install_with_faults
    server.main()


class _Injector:
    """Injects faults when an execution enters a state, or when a state calls a service."""

    def __init__(self) -> None:
        # MiniStack and its extensions read the environment when they are imported.
        self._engine: Any = import_module(_STEP_FUNCTIONS)
        self._executions: Any = import_module("local.extensions.stepfunctions.executions")
        self._add_event: Callable[..., Any] = self._engine._add_event
        self._invoke: Callable[..., Any] = self._engine._invoke_resource
        self._state: ContextVar[str] = ContextVar("state", default="")
        self._calls: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def install(self) -> None:
        """Put this injector in front of the extensions, which have patched the same functions."""
        self._engine._add_event = self._add_event_with_fault
        self._engine._invoke_resource = self._invoke_with_fault

    def _add_event_with_fault(
        self, execution: Execution, event_type: str, details: Any = None
    ) -> Any:
        event = self._add_event(execution, event_type, details)
        if event_type.endswith("StateEntered"):
            self._state.set(details["stateEnteredEventDetails"]["name"])
            if event_type != "TaskStateEntered" and (fault := self._find_fault(execution)):
                self._inject(execution, fault, "")
        return event

    def _invoke_with_fault(self, resource: str, input_data: Any) -> Any:
        execution = self._executions.current_execution.get()
        fault = self._find_fault(execution) if execution else None
        if not fault:
            return self._invoke(resource, input_data)
        if fault.moment == AFTER:
            with suppress(self._engine._ExecutionError):  # an error is lost like any response
                self._invoke(resource, input_data)
        return self._inject(execution, fault, resource)

    def _find_fault(self, execution: Execution) -> Fault | None:
        """Return the fault of the current call of the current state, and count the call."""
        file, state = _get_file(execution), self._state.get()
        for fields in json.loads(file.read_text()) if file.is_file() else ():
            fault = Fault(**fields)
            if fault.state == state:
                with self._lock:
                    self._calls[execution["executionArn"], state] += 1
                    call = self._calls[execution["executionArn"], state]
                return fault if fault.affects(call) else None
        return None

    def _inject(self, execution: Execution, fault: Fault, resource: str) -> None:
        log = _get_file(execution).with_suffix(INJECTED_SUFFIX)
        with self._lock, log.open("a") as file:
            file.write(f"{fault.label}\n")
        if fault.kind == ABORT:
            arn = execution["executionArn"]
            self._engine._stop_execution(
                {"executionArn": arn, "error": "Stopped", "cause": fault.cause}
            )
        elif fault.kind == EXECUTION_TIMEOUT:
            self._executions._time_out(execution)
        else:
            raise self._executions.create_task_error(*fault.get_error(resource))
        self._executions.check_running()  # ends the thread of the execution


def _get_file(execution: Execution) -> Path:
    """Return the file with the faults of an execution. It does not exist if there are none."""
    prefix = json.loads(execution["input"]).get("batch", "")
    name = prefix.removeprefix("raw/").strip("/") or "none"
    return Path(os.environ["LOCAL_STATE"], FAULTS_FOLDER, f"{name}.json")


if __name__ == "__main__":
    main()
