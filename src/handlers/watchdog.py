"""Sweep on a schedule, and whenever an execution ends without success."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent, event_source
from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.email_sender import create_email_sender
from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import WatchdogSettings, load_settings
from pipeline.aws.clients import AwsClients
from pipeline.aws.executions import Execution, parse_execution
from pipeline.ledger.table import LedgerTable
from pipeline.recovery.watchdog import PipelineContext, SweepResult, Watchdog

aws = AwsClients()
logger, metrics = create_observers("watchdog")


class ExecutionStatusChange(EventBridgeEvent):
    """The event "Step Functions Execution Status Change" of EventBridge."""

    DETAIL_TYPE = "Step Functions Execution Status Change"

    @property
    def state_machine_arn(self) -> str:
        """ARN of the state machine."""
        return str(self.detail["stateMachineArn"])

    @property
    def execution(self) -> Execution:
        """The execution whose status has changed."""
        return parse_execution(self.detail)


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
@event_source(data_class=EventBridgeEvent)
def handler(event: EventBridgeEvent, context: LambdaContext) -> dict[str, Any]:
    """Run one sweep.

    Args:
        event: A scheduled event, or the status change of an execution.
        context: The context of the invocation.

    Returns:
        What the sweep found and did.

    Raises:
        SweepError: A part of the sweep failed. All other parts were completed.
    """
    settings = load_settings(WatchdogSettings)
    ended = _ended_execution(event, settings.state_machine_arn)
    if ended:
        logger.append_keys(run_id=ended.run_id, batch=ended.input.get("batch"))
    ledger = LedgerTable(aws.dynamodb, settings.ledger_table)
    pipeline = PipelineContext(
        stack=settings.stack,
        bucket=settings.bucket,
        state_machine_arn=settings.state_machine_arn,
        topic_arn=settings.topic_arn,
        ledger=ledger,
        ledger_retention=settings.ledger_retention,
        incomplete_batch_hours=settings.incomplete_batch_hours,
    )
    email_sender = create_email_sender(aws, settings, ledger, context)
    result = Watchdog(aws, pipeline, email_sender).sweep(ended)
    _log(result)
    _add_metrics(result)
    result.raise_on_problems()
    return {
        "terminated_clusters": sorted(result.terminated_clusters),
        "ended_runs": result.ended_runs,
        "started_runs": result.started_runs,
        "incomplete_batches": result.incomplete_batches,
        "has_subscriber": result.has_subscriber,
    }


def _ended_execution(event: EventBridgeEvent, state_machine_arn: str) -> Execution | None:
    """Return the execution that the event is about, or None for a scheduled event."""
    if event.detail_type != ExecutionStatusChange.DETAIL_TYPE:
        return None
    change = ExecutionStatusChange(event.raw_event)
    return change.execution if change.state_machine_arn == state_machine_arn else None


def _log(result: SweepResult) -> None:
    for cluster_id, run_id in result.terminated_clusters.items():
        logger.warning(
            "Terminated an orphaned cluster", extra={"cluster_id": cluster_id, "run_id": run_id}
        )
    for run_id in result.ended_runs:
        logger.warning(
            "Recorded the end of a run because its execution had not recorded it",
            extra={"run_id": run_id},
        )
    for run_id in result.started_runs:
        logger.warning("Started a claimed run that had not been started", extra={"run_id": run_id})
    for batch in result.incomplete_batches:
        logger.info("Reported an incomplete batch", extra={"batch": batch})
    if result.is_newly_without_subscriber:
        logger.error(
            "The topic has no confirmed subscription, so nobody receives the emails: confirm the"
            " subscription in the email from SNS"
        )
    for problem in result.problems:
        logger.error(
            "Could not process %s", problem.subject, exc_info=problem.error, extra=problem.log_keys
        )


def _add_metrics(result: SweepResult) -> None:
    metrics.add_metric("OrphanedClusters", MetricUnit.Count, len(result.terminated_clusters))
    if result.has_subscriber is not None:
        metrics.add_metric(
            "NoConfirmedSubscriber", MetricUnit.Count, int(not result.has_subscriber)
        )
