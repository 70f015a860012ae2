"""Executions in memory that write what the state machine and the jobs write."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random

from contract import layout
from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from pipeline.aws.executions import Execution, parse_execution
from pipeline.clock import utc_now
from pipeline.ledger.keys import (
    EXPIRATION,
    OPEN_RUN,
    RUN_SLOTS,
    expiration_time,
    run_key,
    run_published_notification,
)
from pipeline.notifications.emails import Email
from tests.support.memory.agenda import Agenda
from tests.support.memory.clients import MemoryS3, MemoryStepFunctions, MemoryTable
from tests.support.memory.notifications import ExpiringEmailSender

# Step Functions deletes an execution, and no longer reserves its name, 90 days after its end
# (AWS Step Functions Developer Guide, "Service quotas").
_EXECUTION_RETENTION = timedelta(days=90)
_SHARE_OF_LOST_EVENTS = 0.05
_JOB_LOGS = ("controller.gz", "stderr.gz", "stdout.gz")


class SimulatedStateMachine:
    """Carries out the started executions.

    Attributes:
        outputs: What the runs write to the bucket.
        started: ID of each started run, oldest first.
        max_running: The greatest number of executions that were running at the same time.
        counts: How often each incident happened.
    """

    def __init__(
        self,
        agenda: Agenda,
        table: MemoryTable,
        emails: ExpiringEmailSender,
        ledger_retention: timedelta,
        on_success: Callable[[Execution], object],
        random: Random,
    ) -> None:
        """Create the state machine.

        Args:
            agenda: When the executions continue.
            table: The ledger's table.
            emails: Sends the reports.
            ledger_retention: Time until the item of a run expires.
            on_success: Called with an execution that has ended, unless this event is lost.
            random: The source of random numbers.
        """
        self.outputs = MemoryS3(lambda _: None)
        self.started: list[str] = []
        self.max_running = 0
        self.counts: Counter[str] = Counter()
        self._agenda = agenda
        self._table = table
        self._emails = emails
        self._ledger_retention = ledger_retention
        self._on_success = on_success
        self._random = random
        self._running: set[str] = set()

    def begin_new(self, stepfunctions: MemoryStepFunctions) -> None:
        """Begin the executions that were started since the last call."""
        for arn, execution in list(stepfunctions.executions.items()):
            if execution["status"] == "RUNNING" and arn not in self._running:
                self._running.add(arn)
                self.max_running = max(self.max_running, len(self._running))
                self.started.append(execution["name"])
                self._begin(stepfunctions, arn)

    def _begin(self, stepfunctions: MemoryStepFunctions, arn: str) -> None:
        """Carry out the states from `RecordStarted` to `PinInputs`."""
        execution = stepfunctions.executions[arn]
        run_id, run = execution["name"], json.loads(execution["input"])
        self._table.items[run_key(run_id)] = {
            "id": run_key(run_id),
            "status": "RUNNING",
            "batch": run["batch"],
            "claimed_at": run["claimed_at"],
            "started_at": utc_now(),
            "execution_arn": arn,
            "open": OPEN_RUN,
            EXPIRATION: expiration_time(self._agenda.now, self._ledger_retention),
        }
        slots = self._table.items.setdefault(RUN_SLOTS, {"id": RUN_SLOTS})
        slots["runs"] = slots.get("runs", set()) | {run_id}
        for dataset in DATASETS:
            self.outputs.put(layout.pinned_key(dataset, run_id), b"")
        duration = timedelta(minutes=self._random.uniform(15, 60))
        self._agenda.add(duration, lambda: self._end(stepfunctions, arn))

    def _end(self, stepfunctions: MemoryStepFunctions, arn: str) -> None:
        """Carry out the states up to `RecordPublished`."""
        execution = stepfunctions.executions[arn]
        run_id = execution["name"]
        for key in _list_outputs(run_id, utc_now()):
            self.outputs.put(key, b"")
        self._emails.send_once(run_published_notification(run_id), Email("Rental KPIs", ""))
        item = self._table.items[run_key(run_id)]
        item |= {"status": "PUBLISHED", "ended_at": utc_now()}
        del item["open"]
        output = json.dumps({"run_id": run_id, "status": "PUBLISHED"})
        execution |= {"status": "SUCCEEDED", "output": output}
        self._running.remove(arn)
        self._agenda.add(_EXECUTION_RETENTION, lambda: stepfunctions.executions.pop(arn))
        if self._random.random() < _SHARE_OF_LOST_EVENTS:
            self.counts["lost events of ended runs"] += 1
        else:
            self._on_success(parse_execution(execution))


def _list_outputs(run_id: str, published_at: str) -> list[str]:
    """Return the keys of all objects that a run writes after its pinned input."""
    prefixes = [layout.kpi_prefix(table, run_id) for table in KPI_TABLES]
    for dataset in DATASETS:
        prefixes.append(layout.curated_prefix(dataset, run_id))
        prefixes.append(layout.quarantine_prefix(dataset, run_id))
    jobs = (layout.TRANSFORMATION_JOB, layout.KPI_JOB)
    return [
        *(f"{prefix}/part-0.parquet" for prefix in prefixes),
        *(layout.job_report_key(job, run_id) for job in jobs),
        *(layout.run_report_key(run_id, name) for name in ("answers.json", "email.txt")),
        *(
            f"{layout.step_logs_prefix(f'j-{run_id}', job)}/{log}"
            for job in jobs
            for log in _JOB_LOGS
        ),
        f"athena_results/{run_id}.csv",
        layout.publication_key(published_at, run_id),
    ]
