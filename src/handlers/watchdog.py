"""Sweep on a schedule and after failures, and continue with the runs and batches that wait."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from contract.layout import is_batch_prefix
from handlers.email_sender import create_email_sender
from handlers.events import WatchdogEvent
from handlers.intake import create_intake
from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import WatchdogSettings, load_settings
from pipeline.aws.clients import AwsClients
from pipeline.aws.executions import Execution, parse_execution
from pipeline.errors import InvalidEventError
from pipeline.intake.upload_emails import START_BATCH
from pipeline.ledger.table import LedgerTable
from pipeline.recovery.sweep_result import SweepResult
from pipeline.recovery.watchdog import PipelineContext, Watchdog

aws = AwsClients("dynamodb", "s3", "sns", "stepfunctions")
logger, metrics = create_observers("watchdog")

FIND_LOST_UPLOADS = "Find Lost Uploads"
"""The detail type of the event that the template's hourly rule sends."""

EXECUTION_STATUS_CHANGE = "Step Functions Execution Status Change"
"""The detail type of the events of Step Functions."""


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Run one sweep.

    Args:
        event: A scheduled event, the status change of an execution, or a request to start a held
            batch.
        context: The context of the invocation.

    Returns:
        What the sweep found and did, or the outcome of the request.

    Raises:
        SweepError: A part of the sweep failed. All other parts were completed.
        InvalidEventError: The request does not name a batch.
    """
    settings = load_settings(WatchdogSettings)
    metrics.set_default_dimensions(stack=settings.stack)
    message = WatchdogEvent.from_event(event)
    if message.detail_type == START_BATCH:
        return _start_batch(message, _create_watchdog(settings, context))
    ended = _ended_execution(message, settings.state_machine_arn)
    if ended:
        logger.append_keys(run_id=ended.run_id, batch=ended.input.get("batch"))
    watchdog = _create_watchdog(settings, context)
    if message.detail_type == FIND_LOST_UPLOADS:
        result = watchdog.recover_lost_uploads()
    elif ended and ended.status == "SUCCEEDED":
        result = watchdog.continue_after(ended)
    else:
        result = watchdog.sweep(ended)
        # The other invocations would hide that the schedule has stopped.
        metrics.add_metric("Sweeps", MetricUnit.Count, 1)
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


def _create_watchdog(settings: WatchdogSettings, context: LambdaContext) -> Watchdog:
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
    intake = create_intake(aws, settings, ledger, email_sender)
    return Watchdog(aws, pipeline, intake, email_sender, context.get_remaining_time_in_millis)


def _start_batch(event: WatchdogEvent, watchdog: Watchdog) -> dict[str, Any]:
    prefix = event.detail.get("batch", "")
    if not is_batch_prefix(prefix):
        raise InvalidEventError(
            f"{prefix!r} is not a batch prefix: use raw/ or raw/<batch name>/, with the slash"
        )
    logger.append_keys(batch=prefix)
    outcome = watchdog.start_batch(prefix)
    logger.info("Handled a request to start a batch", extra={"outcome": outcome})
    return {"batch": prefix, "outcome": outcome}


def _ended_execution(event: WatchdogEvent, state_machine_arn: str) -> Execution | None:
    """Return the execution that the event is about, or None for a scheduled event."""
    if event.detail_type != EXECUTION_STATUS_CHANGE:
        return None
    is_own = event.detail["stateMachineArn"] == state_machine_arn
    return parse_execution(event.detail) if is_own else None


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
        logger.info("Started a claimed run", extra={"run_id": run_id})
    for batch in result.incomplete_batches:
        logger.info("Reported an incomplete batch", extra={"batch": batch})
    if result.summarized_hour:
        logger.info("Sent the summary of an hour", extra={"hour": result.summarized_hour})
    if result.unchecked_batches:
        logger.warning(
            "The next sweeps check the remaining open batches",
            extra={"unchecked_batches": result.unchecked_batches},
        )
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
