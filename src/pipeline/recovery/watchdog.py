"""Terminate orphaned clusters, complete interrupted runs, and report incomplete batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from pipeline.aws.clients import AwsClients
from pipeline.aws.emr_clusters import describe_cluster, list_active_clusters, terminate_cluster
from pipeline.aws.executions import Execution, build_execution_arn, find_execution
from pipeline.clock import parse_utc, utc_now
from pipeline.errors import PipelineError
from pipeline.intake.run_starter import RunStarter
from pipeline.ledger.batch_ledger import Batch, BatchLedger
from pipeline.ledger.keys import incomplete_batch_notification, run_failed_notification
from pipeline.ledger.run_ledger import RunLedger
from pipeline.ledger.table import LedgerTable
from pipeline.notifications.emails import EmailSender
from pipeline.notifications.subscriptions import SubscriptionLedger, has_confirmed_subscription
from pipeline.recovery.failure_details import FailureDetails
from pipeline.recovery.failure_emails import RunContext, build_ended_run_email
from pipeline.recovery.failures import get_failure, get_published_status
from pipeline.recovery.incomplete_batches import build_incomplete_batch_email, is_overdue

_NOT_FOUND = "NOT_FOUND"
# Step Functions is eventually consistent and may not return a new execution at once. An execution
# that is not found counts as missing only after this time.
_GRACE_PERIOD = timedelta(minutes=15)


class SweepError(PipelineError):
    """A part of the sweep failed. All other parts were completed."""


@dataclass(frozen=True)
class SweepProblem:
    """A part of a sweep that failed.

    Attributes:
        subject: What the part was about, such as `cluster j-1`.
        log_keys: The cluster, run, or batch, for the log.
        error: The error.
    """

    subject: str
    log_keys: Mapping[str, str]
    error: Exception


@dataclass
class SweepResult:
    """What a sweep found and did.

    Attributes:
        terminated_clusters: The run ID of each terminated cluster, by cluster ID. The run ID is
            empty if the cluster has no run tag.
        ended_runs: IDs of the runs whose end was recorded or reported.
        started_runs: IDs of the runs that were started.
        incomplete_batches: Prefixes of the batches that were reported as incomplete.
        has_subscriber: Whether a subscription is confirmed. None if unknown.
        is_newly_without_subscriber: Whether this sweep is the first without a confirmed
            subscription.
        problems: The parts that failed.
    """

    terminated_clusters: dict[str, str] = field(default_factory=dict)
    ended_runs: list[str] = field(default_factory=list)
    started_runs: list[str] = field(default_factory=list)
    incomplete_batches: list[str] = field(default_factory=list)
    has_subscriber: bool | None = None
    is_newly_without_subscriber: bool = False
    problems: list[SweepProblem] = field(default_factory=list)

    def raise_on_problems(self) -> None:
        """Raise an error that names every part that failed, if any did.

        Raises:
            SweepError: A part of the sweep failed.
        """
        if self.problems:
            raise SweepError(
                "; ".join(f"{part.subject}: {type(part.error).__name__}" for part in self.problems)
            )


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
        self, aws: AwsClients, pipeline: PipelineContext, email_sender: EmailSender
    ) -> None:
        self._aws = aws
        self._pipeline = pipeline
        self._email_sender = email_sender
        self._batches = BatchLedger(pipeline.ledger)
        self._runs = RunLedger(pipeline.ledger, pipeline.ledger_retention)
        self._subscription = SubscriptionLedger(pipeline.ledger)
        self._known_executions: dict[str, Execution | None] = {}
        self._result = SweepResult()
        self._has_checked_clusters = False

    def sweep(self, ended: Execution | None = None) -> SweepResult:
        """Check clusters, runs, batches, and the subscription once.

        Args:
            ended: An execution whose end an event has announced.

        Returns:
            What the sweep found and did, including its problems.
        """
        if ended:
            # DescribeExecution may still return an earlier status than the event.
            self._known_executions[ended.run_id] = ended
        with self._record_problem("clusters"):
            self._terminate_orphaned_clusters()
        self._has_checked_clusters = not self._result.problems
        with self._record_problem("runs"):
            self._record_ended_runs(ended)
        with self._record_problem("batches"):
            self._check_batches()
        with self._record_problem("subscription"):
            self._check_subscription()
        return self._result

    @contextmanager
    def _record_problem(self, subject: str, **log_keys: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - recorded, and raised after the sweep
            self._result.problems.append(SweepProblem(subject, log_keys, error))

    def _get_execution(self, run_id: str) -> Execution | None:
        if run_id not in self._known_executions:
            arn = build_execution_arn(self._pipeline.state_machine_arn, run_id)
            self._known_executions[run_id] = find_execution(self._aws.stepfunctions, arn)
        return self._known_executions[run_id]

    def _terminate_orphaned_clusters(self) -> None:
        # The list is completed before any execution is checked. Thus, each cluster in it belongs to
        # an execution that had already started.
        for cluster_id in list(list_active_clusters(self._aws.emr)):
            with self._record_problem(f"cluster {cluster_id}", cluster_id=cluster_id):
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
            with self._record_problem(f"run {ended.run_id}", run_id=ended.run_id):
                self._record_end(ended, "")
        for run in self._runs.list_running():
            with self._record_problem(f"run {run.run_id}", run_id=run.run_id, batch=run.batch):
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
            RunContext(run_id, batch, self._pipeline.state_machine_arn, bucket),
            execution,
            get_failure(execution),
            self._describe_clusters_of(run_id),
            " ".join([published, *details.gaps]).strip(),
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

    def _check_batches(self) -> None:
        for batch in self._batches.list_batches():
            with self._record_problem(f"batch {batch.prefix}", batch=batch.prefix):
                self._check_batch(batch)

    def _check_batch(self, batch: Batch) -> None:
        if batch.is_complete or batch.claimed_runs:
            run_starter = RunStarter(
                self._aws.stepfunctions, self._pipeline.state_machine_arn, self._batches
            )
            self._result.started_runs += run_starter.start_ready_runs(batch.prefix)
        if batch.waiting_since is None:
            return
        if is_overdue(batch, self._pipeline.incomplete_batch_hours, utc_now()):
            notification = incomplete_batch_notification(batch.prefix, batch.waiting_since)
            if self._email_sender.send_once(notification, build_incomplete_batch_email(batch)):
                self._result.incomplete_batches.append(batch.prefix)

    def _check_subscription(self) -> None:
        topic_arn = self._pipeline.topic_arn
        self._result.has_subscriber = has_confirmed_subscription(self._aws.sns, topic_arn)
        if self._result.has_subscriber:
            self._subscription.record_confirmed()
        else:
            self._result.is_newly_without_subscriber = self._subscription.record_missing(utc_now())


def _is_recent(time: str) -> bool:
    return bool(time) and parse_utc(utc_now()) - parse_utc(time) < _GRACE_PERIOD
