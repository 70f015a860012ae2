"""The watchdog's round: no cluster without a running execution, no run or batch forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from pipeline.aws.emr_clusters import describe_cluster, list_active_clusters, terminate_cluster
from pipeline.aws.executions import Execution, execution_arn, find_execution
from pipeline.clock import parse_utc, utc_now
from pipeline.errors import PipelineError
from pipeline.intake.run_starter import start_ready_runs
from pipeline.ledger.batch_ledger import Batch, BatchLedger
from pipeline.ledger.run_ledger import RunLedger
from pipeline.notifications.emails import EmailSender
from pipeline.notifications.subscriptions import UnconfirmedSubscription, is_confirmed
from pipeline.recovery.failure_details import FailureDetails
from pipeline.recovery.failure_emails import ended_run_email, run_ended_key
from pipeline.recovery.failures import failure_from_execution, published_status
from pipeline.recovery.incomplete_batches import incomplete_batch_email, is_overdue

_GONE = "GONE"
# Step Functions tells of an execution a little after it began; one that it does not know is given
# so much time before it is taken for gone.
_GRACE = timedelta(minutes=15)


class SweepError(PipelineError):
    """A part of the round failed, after all of the others were done."""


@dataclass(frozen=True)
class SweepProblem:
    """A part of a round that failed: what was being looked after, and its cluster, run or batch."""

    what: str
    about: Mapping[str, str]
    error: Exception


@dataclass
class SweepResult:
    """What a round found and did.

    `clusters` are those that were ended, with their run (empty if they name none); `runs` those
    whose end was noted or told; `started` the runs that were started; `incomplete` the batches
    that were told of. `is_confirmed` is null if it could not be found out.
    """

    clusters: dict[str, str] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    is_confirmed: bool | None = None
    is_newly_unconfirmed: bool = False
    problems: list[SweepProblem] = field(default_factory=list)

    def raise_on_problems(self) -> None:
        """PatrolError that names every part that failed, if any did."""
        if self.problems:
            raise SweepError(
                "; ".join(f"{one.what}: {type(one.error).__name__}" for one in self.problems)
            )


class Watchdog:
    """One round. Each part, and each thing in it, is looked at whatever became of the others."""

    def __init__(
        self,
        stack: str,
        bucket: str,
        state_machine_arn: str,
        topic_arn: str,
        ledger_table: str,
        mailer: EmailSender,
        incomplete_batch_hours: float,
    ) -> None:
        self._stack = stack
        self._bucket = bucket
        self._state_machine_arn = state_machine_arn
        self._topic_arn = topic_arn
        self._ledger = BatchLedger(ledger_table)
        self._runs = RunLedger(ledger_table)
        self._unconfirmed = UnconfirmedSubscription(ledger_table)
        self._mailer = mailer
        self._incomplete_after_hours = incomplete_batch_hours
        self._known: dict[str, Execution | None] = {}
        self._found = SweepResult()
        self._knows_clusters = False

    def sweep(self, told: Execution | None = None) -> SweepResult:
        """Look after everything; `told` is an execution whose end an event has announced."""
        if told:
            # DescribeExecution may be a little behind its own event.
            self._known[told.run_id] = told
        with self._going_on("clusters"):
            self._end_leaked_clusters()
        self._knows_clusters = not self._found.problems
        with self._going_on("runs"):
            self._settle_ended_runs(told)
        with self._going_on("batches"):
            self._look_after_batches()
        with self._going_on("subscription"):
            self._look_after_subscription()
        return self._found

    @contextmanager
    def _going_on(self, what: str, **about: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - kept, and raised when the round is done
            self._found.problems.append(SweepProblem(what, about, error))

    def _execution(self, run_id: str) -> Execution | None:
        if run_id not in self._known:
            arn = execution_arn(self._state_machine_arn, run_id)
            self._known[run_id] = find_execution(arn)
        return self._known[run_id]

    def _end_leaked_clusters(self) -> None:
        # The list is complete before any execution is looked at: what was made after it is not on
        # it, and what is on it was made by an execution that had begun.
        for cluster_id in list(list_active_clusters()):
            with self._going_on(f"cluster {cluster_id}", cluster=cluster_id):
                self._end_if_leaked(cluster_id)

    def _end_if_leaked(self, cluster_id: str) -> None:
        cluster = describe_cluster(cluster_id)
        if cluster.tags.get("stack") != self._stack or not cluster.is_active:
            return
        run_id = cluster.tags.get("run", "")
        execution = self._execution(run_id) if run_id else None
        if execution is None and _is_recent(cluster.created_at):
            return
        if execution is None or execution.has_ended:
            terminate_cluster(cluster_id)
            self._found.clusters[cluster_id] = run_id

    def _settle_ended_runs(self, told: Execution | None) -> None:
        if told:
            with self._going_on(f"run {told.run_id}", run=told.run_id):
                self._settle(told, "")
        for run in self._runs.running():
            with self._going_on(f"run {run.run_id}", run=run.run_id, batch=run.batch):
                execution = self._execution(run.run_id)
                if execution or not _is_recent(run.started_at):
                    self._settle(execution or self._gone(run.run_id), run.batch)

    def _gone(self, run_id: str) -> Execution:
        arn = execution_arn(self._state_machine_arn, run_id)
        words = "Step Functions does not know the execution any more."
        return Execution(arn, run_id, _GONE, "", words, {}, {})

    def _settle(self, execution: Execution, noted_batch: str) -> None:
        """Note, and tell once, the end of an execution that could not do so itself."""
        if not execution.has_ended and execution.status != _GONE:
            return
        status = published_status(execution)
        if status:
            if self._runs.record_published(execution.run_id, status, utc_now()):
                self._found.runs.append(execution.run_id)
            return
        # The mail first: if it fails the run still stands as running, and the next round tells it.
        was_sent = self._tell_end(execution, execution.input.get("batch") or noted_batch)
        reason = failure_from_execution(execution).message
        was_noted = self._runs.record_failed(execution, reason, utc_now())
        if was_sent or was_noted:
            self._found.runs.append(execution.run_id)

    def _tell_end(self, execution: Execution, batch: str) -> bool:
        evidence = FailureDetails()
        published = evidence.describe_published_run(self._bucket, execution.run_id)
        mail = ended_run_email(
            execution,
            batch,
            self._state_machine_arn,
            failure_from_execution(execution),
            self._what_of_cluster(execution.run_id),
            " ".join([published, *evidence.gaps]).strip(),
        )
        return self._mailer.send_once(run_ended_key(execution.run_id), mail)

    def _what_of_cluster(self, run_id: str) -> str:
        its_own = [cluster for cluster, run in self._found.clusters.items() if run == run_id]
        if its_own:
            return f"Its cluster {', '.join(its_own)} was still up, and was told to end."
        if not self._knows_clusters:
            return "Whether a cluster of it is still up could not be found out; it is tried again."
        return "No cluster of it is up."

    def _look_after_batches(self) -> None:
        for batch in self._ledger.batches():
            with self._going_on(f"batch {batch.prefix}", batch=batch.prefix):
                self._look_after(batch)

    def _look_after(self, batch: Batch) -> None:
        now = utc_now()
        if batch.is_complete or batch.claimed:
            self._found.started += start_ready_runs(
                self._ledger, batch.prefix, self._state_machine_arn, now
            )
        if is_overdue(batch, self._incomplete_after_hours, now):
            cause = f"incomplete {batch.prefix} {batch.waiting_since}"
            if self._mailer.send_once(cause, incomplete_batch_email(batch)):
                self._found.incomplete.append(batch.prefix)

    def _look_after_subscription(self) -> None:
        self._found.is_confirmed = is_confirmed(self._topic_arn)
        if self._found.is_confirmed:
            self._unconfirmed.end()
        else:
            self._found.is_newly_unconfirmed = self._unconfirmed.begin(utc_now())


def _is_recent(since: str) -> bool:
    return bool(since) and parse_utc(utc_now()) - parse_utc(since) < _GRACE
