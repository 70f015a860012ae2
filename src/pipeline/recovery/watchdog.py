"""Terminate orphaned clusters, record the end of runs, and report incomplete batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pipeline.aws.clients import AwsClients
from pipeline.aws.emr_clusters import describe_cluster, list_active_clusters, terminate_cluster
from pipeline.aws.executions import Execution, build_execution_arn, find_execution
from pipeline.clock import parse_utc, utc_now
from pipeline.intake.batch_intake import BatchIntake
from pipeline.intake.claiming import ClaimOutcome
from pipeline.ledger.incomplete_report import IncompleteReport
from pipeline.ledger.keys import run_failed_notification
from pipeline.ledger.run_ledger import RunLedger
from pipeline.ledger.table import LedgerTable
from pipeline.notifications.email_budget import EmailBudget
from pipeline.notifications.emails import EmailSender
from pipeline.notifications.subscriptions import SubscriptionLedger, has_confirmed_subscription
from pipeline.notifications.summary import send_due_summary
from pipeline.recovery.batch_sweep import BatchSweep
from pipeline.recovery.failure_details import FailureDetails
from pipeline.recovery.failure_emails import RunContext, build_ended_run_email
from pipeline.recovery.failures import get_failure, get_published_status
from pipeline.recovery.incomplete_batches import IncompleteBatchReporter
from pipeline.recovery.sweep_result import SweepResult

_NOT_FOUND = "NOT_FOUND"
# Step Functions is eventually consistent and may not return a new execution at once. An execution
# that is not found counts as missing only after this time.
_GRACE_PERIOD = timedelta(minutes=15)


@dataclass(frozen=True)
class PipelineContext:
    """The deployed pipeline that the watchdog supervises.

    Attributes:
        stack: Name of the stack.
        bucket: Name of the data bucket.
        state_machine_arn: ARN of the state machine.
        topic_arn: ARN of the topic for emails.
        ledger: The ledger's table.
        ledger_retention: Time until an item of a run expires.
        incomplete_batch_hours: Hours after which an incomplete batch is reported.
    """

    stack: str
    bucket: str
    state_machine_arn: str
    topic_arn: str
    ledger: LedgerTable
    ledger_retention: timedelta
    incomplete_batch_hours: float


class Watchdog:
    """Carries out one sweep. An error in one part or about one item does not stop the others."""

    def __init__(
        self,
        aws: AwsClients,
        pipeline: PipelineContext,
        intake: BatchIntake,
        email_sender: EmailSender,
        get_remaining_ms: Callable[[], int] | None = None,
    ) -> None:
        """Create a watchdog for one sweep.

        Args:
            aws: The AWS clients.
            pipeline: The pipeline.
            intake: The intake of the pipeline.
            email_sender: Sends the emails.
            get_remaining_ms: Returns the remaining time of the function in milliseconds. None if
                the sweep has no time limit.
        """
        self._aws = aws
        self._pipeline = pipeline
        self._email_sender = email_sender
        self._intake = intake
        self._runs = RunLedger(pipeline.ledger, pipeline.ledger_retention)
        self._subscription = SubscriptionLedger(pipeline.ledger)
        self._known_executions: dict[str, Execution | None] = {}
        # The runs whose end is recorded, or that the ledger lists as running. The next sweep finds
        # the latter again.
        self._tracked_runs: set[str] = set()
        self._result = SweepResult()
        self._batch_sweep = BatchSweep(
            intake,
            IncompleteBatchReporter(
                intake.batches, IncompleteReport(pipeline.ledger), email_sender
            ),
            pipeline.incomplete_batch_hours,
            pipeline.ledger_retention,
            self._result,
            get_remaining_ms,
        )
        self._has_checked_clusters = False

    def sweep(self, ended: Execution | None = None) -> SweepResult:
        """Check clusters, runs, batches, and the subscription once.

        Args:
            ended: An execution whose end an event has announced.

        Returns:
            What the sweep found and did, including its problems.
        """
        slots = self._list_slots()
        if ended:
            # DescribeExecution may still return an earlier status than the event.
            self._known_executions[ended.run_id] = ended
        with self._result.record_problem("clusters"):
            self._terminate_orphaned_clusters()
        self._has_checked_clusters = not self._result.problems
        with self._result.record_problem("runs"):
            self._record_ended_runs(ended)
        # Before the batches, of which there may be more than there is time for.
        self._continue_waiting_runs(slots)
        self._batch_sweep.check_open_batches()
        self._batch_sweep.start_waiting_runs()
        with self._result.record_problem("summary"):
            self._result.summarized_hour = send_due_summary(
                EmailBudget(self._pipeline.ledger), self._email_sender, utc_now()
            )
        with self._result.record_problem("subscription"):
            self._check_subscription()
        return self._result

    def continue_after(self, succeeded: Execution) -> SweepResult:
        """Release the slot of a run that succeeded, and start the runs that wait for it.

        Args:
            succeeded: The execution of the run.
        """
        self._known_executions[succeeded.run_id] = succeeded
        self._tracked_runs.add(succeeded.run_id)
        self._continue_waiting_runs(frozenset({succeeded.run_id}))
        return self._result

    def recover_lost_uploads(self) -> SweepResult:
        """Look for uploads whose events were lost, and continue with their batches."""
        self._batch_sweep.check_lost_uploads()
        self._batch_sweep.start_waiting_runs()
        return self._result

    def start_batch(self, prefix: str) -> ClaimOutcome:
        """Start a batch even if it is held.

        Args:
            prefix: The batch prefix.

        Returns:
            What the claim led to. If too many runs are in progress, the run waits.
        """
        self._intake.reconciler.reconcile(prefix)
        claim = self._intake.claimer.claim_if_ready(prefix, ignore_spread=True)
        self._intake.run_starter.start_waiting_runs(prefix)
        return claim.outcome

    def _get_execution(self, run_id: str) -> Execution | None:
        if run_id not in self._known_executions:
            arn = build_execution_arn(self._pipeline.state_machine_arn, run_id)
            self._known_executions[run_id] = find_execution(self._aws.stepfunctions, arn)
        return self._known_executions[run_id]

    def _terminate_orphaned_clusters(self) -> None:
        # The list is completed before any execution is checked. Thus, each cluster in it belongs to
        # an execution that had already started.
        for cluster_id in list(list_active_clusters(self._aws.emr)):
            with self._result.record_problem(f"cluster {cluster_id}", cluster_id=cluster_id):
                self._terminate_if_orphaned(cluster_id)

    def _terminate_if_orphaned(self, cluster_id: str) -> None:
        cluster = describe_cluster(self._aws.emr, cluster_id)
        if cluster.tags.get("stack") != self._pipeline.stack or not cluster.is_active:
            return
        run_id = cluster.tags.get("run", "")
        execution = self._get_execution(run_id) if run_id else None
        if execution is None and _is_recent(cluster.created_at):
            return
        if execution is None or execution.has_ended:
            terminate_cluster(self._aws.emr, cluster_id)
            self._result.terminated_clusters[cluster_id] = run_id

    def _record_ended_runs(self, ended: Execution | None) -> None:
        if ended:
            with self._result.record_problem(f"run {ended.run_id}", run_id=ended.run_id):
                self._record_end(ended, "")
                self._tracked_runs.add(ended.run_id)
        for run in self._runs.list_running():
            self._tracked_runs.add(run.run_id)
            with self._result.record_problem(
                f"run {run.run_id}", run_id=run.run_id, batch=run.batch
            ):
                execution = self._get_execution(run.run_id)
                if execution or not _is_recent(run.started_at):
                    self._record_end(execution or self._missing_execution(run.run_id), run.batch)

    def _missing_execution(self, run_id: str) -> Execution:
        arn = build_execution_arn(self._pipeline.state_machine_arn, run_id)
        cause = "Step Functions has no record of the execution."
        return Execution(arn, run_id, _NOT_FOUND, "", cause, {}, {})

    def _record_end(self, execution: Execution, recorded_batch: str) -> None:
        """Record and report the end of an execution that could not do so itself, once."""
        if not execution.has_ended and execution.status != _NOT_FOUND:
            return
        status = get_published_status(execution)
        if status:
            if self._runs.record_published(execution.run_id, status, utc_now()):
                self._result.ended_runs.append(execution.run_id)
            return
        # The email comes first. If it fails, the run stays recorded as running, and the next sweep
        # tries again.
        batch = execution.input.get("batch") or recorded_batch
        was_sent = self._send_failure_email(execution, batch)
        reason = get_failure(execution).message
        is_newly_recorded = self._runs.record_failed(execution, reason, utc_now())
        if was_sent or is_newly_recorded:
            self._result.ended_runs.append(execution.run_id)

    def _send_failure_email(self, execution: Execution, batch: str) -> bool:
        run_id, bucket = execution.run_id, self._pipeline.bucket
        details = FailureDetails()
        published = details.describe_published_run(self._aws.s3, bucket, run_id)
        email = build_ended_run_email(
            RunContext(
                run_id,
                batch,
                self._pipeline.state_machine_arn,
                bucket,
                self._pipeline.stack,
                is_test=execution.input.get("publish") is False,
            ),
            execution,
            get_failure(execution),
            self._describe_clusters_of(run_id),
            published,
            tuple(details.gaps),
        )
        return self._email_sender.send_once(run_failed_notification(run_id), email)

    def _describe_clusters_of(self, run_id: str) -> str:
        clusters = [
            cluster for cluster, run in self._result.terminated_clusters.items() if run == run_id
        ]
        if len(clusters) == 1:
            return f"Cluster {clusters[0]} of the run was still running and is being terminated."
        if clusters:
            names = ", ".join(clusters)
            return f"Clusters {names} of the run were still running and are being terminated."
        if not self._has_checked_clusters:
            return (
                "It is unknown whether the run's cluster is still running. The watchdog will check"
                " again."
            )
        return "The run has no running cluster."

    def _list_slots(self) -> frozenset[str]:
        with self._result.record_problem("slots"):
            return self._intake.slots.list_runs()
        return frozenset()

    def _continue_waiting_runs(self, runs_with_slot: frozenset[str]) -> None:
        with self._result.record_problem("slots"):
            self._release_slots(runs_with_slot)
        self._batch_sweep.start_waiting_runs()

    def _release_slots(self, runs: frozenset[str]) -> None:
        """Release the slots of the runs that have ended.

        A run that waits for its start keeps its slot. A run that ended before it could record its
        start has nothing but its slot, so it keeps the slot until its end is recorded.

        Args:
            runs: IDs of runs that had a slot a moment ago, before the waiting runs were listed.
        """
        waiting = {
            run.run_id
            for batch in self._intake.batches.list_open_batches()
            for run in batch.claimed_runs
        }
        for run_id in sorted(runs - waiting):
            with self._result.record_problem(f"slot of run {run_id}", run_id=run_id):
                execution = self._get_execution(run_id)
                if execution is None:
                    self._intake.slots.release_if_still_missing(run_id)
                elif execution.has_ended:
                    if run_id not in self._tracked_runs:
                        self._record_end(execution, "")
                    self._intake.slots.release(run_id)

    def _check_subscription(self) -> None:
        topic_arn = self._pipeline.topic_arn
        self._result.has_subscriber = has_confirmed_subscription(self._aws.sns, topic_arn)
        if self._result.has_subscriber:
            self._subscription.record_confirmed()
        else:
            self._result.is_newly_without_subscriber = self._subscription.record_missing(utc_now())


def _is_recent(time: str) -> bool:
    return bool(time) and parse_utc(utc_now()) - parse_utc(time) < _GRACE_PERIOD
