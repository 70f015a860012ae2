"""By the clock, and when an execution ended without success: look after what could be forgotten."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent, event_source
from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import WatchdogSettings, load_settings
from pipeline.aws.executions import Execution, from_description
from pipeline.notifications.emails import EmailSender
from pipeline.recovery.watchdog import SweepResult, Watchdog

logger, metrics = create_observers("watchdog")


class ExecutionStatusChange(EventBridgeEvent):
    """EventBridge's "Step Functions Execution Status Change"."""

    DETAIL_TYPE = "Step Functions Execution Status Change"

    @property
    def state_machine_arn(self) -> str:
        return str(self.detail["stateMachineArn"])

    @property
    def execution(self) -> Execution:
        return from_description(self.detail)


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
@event_source(data_class=EventBridgeEvent)
def handler(event: EventBridgeEvent, context: LambdaContext) -> dict[str, Any]:
    """Make one round; the answer is what was found. PatrolError if a part of it failed."""
    settings = load_settings(WatchdogSettings)
    told = _told(event, settings.state_machine_arn)
    if told:
        logger.append_keys(run=told.run_id, batch=told.input.get("batch"))
    watchdog = Watchdog(
        stack=settings.stack,
        bucket=settings.bucket,
        state_machine_arn=settings.state_machine_arn,
        topic_arn=settings.topic_arn,
        ledger_table=settings.ledger_table,
        mailer=EmailSender(settings.topic_arn, settings.ledger_table, context),
        incomplete_batch_hours=settings.incomplete_batch_hours,
    )
    found = watchdog.sweep(told)
    _log(found)
    _count(found)
    found.raise_on_problems()
    return {
        "clusters": sorted(found.clusters),
        "runs": found.runs,
        "started": found.started,
        "incomplete": found.incomplete,
        "confirmed": found.is_confirmed,
    }


def _told(event: EventBridgeEvent, state_machine_arn: str) -> Execution | None:
    """The execution that the event is about; null for the clock's."""
    if event.detail_type != ExecutionStatusChange.DETAIL_TYPE:
        return None
    change = ExecutionStatusChange(event.raw_event)
    return change.execution if change.state_machine_arn == state_machine_arn else None


def _log(found: SweepResult) -> None:
    for cluster_id, run_id in found.clusters.items():
        logger.warning(
            "cluster ended: its run does not run", extra={"cluster": cluster_id, "run": run_id}
        )
    for run_id in found.runs:
        logger.warning("run had ended without a word", extra={"run": run_id})
    for run_id in found.started:
        logger.warning("run had been claimed and not started", extra={"run": run_id})
    for batch in found.incomplete:
        logger.info("batch is incomplete", extra={"batch": batch})
    if found.is_newly_unconfirmed:
        logger.error("nobody has confirmed a subscription of the topic: mails reach nobody")
    for trouble in found.problems:
        logger.error(
            "could not look after %s", trouble.what, exc_info=trouble.error, extra=trouble.about
        )


def _count(found: SweepResult) -> None:
    metrics.add_metric("OrphanedClusters", MetricUnit.Count, len(found.clusters))
    if found.is_confirmed is not None:
        metrics.add_metric("NoConfirmedSubscriber", MetricUnit.Count, int(not found.is_confirmed))
