"""Send one email about the failure of a run, with everything known about its cause."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.email_sender import create_email_sender
from handlers.events import ReportFailureEvent
from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import ReportFailureSettings, load_settings
from pipeline.aws.clients import AwsClients
from pipeline.ledger.keys import run_failed_notification
from pipeline.ledger.table import LedgerTable
from pipeline.recovery.failure_details import FailureDetails, collect_failure_details
from pipeline.recovery.failure_emails import RunContext, build_failed_run_email

# EMR stores logs in the bucket every five minutes.
_MAX_WAIT_SECONDS = 300
# Time for the other AWS calls and for the email.
_RESERVED_SECONDS = 60

aws = AwsClients("dynamodb", "s3", "sns")
logger, metrics = create_observers("report_failure")


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, bool]:
    """Send an email about the failure of a run, unless one was sent before.

    Args:
        event: See `ReportFailureEvent`.
        context: The context of the invocation.

    Returns:
        Whether the email was sent now.

    Raises:
        InvalidEventError: A field of the event is missing or invalid.
        RetryableError: The same call may succeed later.
    """
    request = ReportFailureEvent.from_event(event)
    logger.append_keys(run_id=request.run_id, batch=request.batch)
    settings = load_settings(ReportFailureSettings)
    metrics.set_default_dimensions(stack=settings.stack)
    details = _collect_details(request.cluster_id, settings.bucket, context)
    email = build_failed_run_email(
        RunContext(
            request.run_id,
            request.batch,
            settings.state_machine_arn,
            settings.bucket,
            settings.stack,
            is_test=not request.publish,
        ),
        request.failure,
        details,
        details.describe_published_run(aws.s3, settings.bucket, request.run_id),
    )
    ledger = LedgerTable(aws.dynamodb, settings.ledger_table)
    email_sender = create_email_sender(aws, settings, ledger, context)
    email_sent = email_sender.send_once(run_failed_notification(request.run_id), email)
    logger.info(
        "Reported the failure of the run"
        if email_sent
        else "The failure of the run was already reported",
        extra={"state": request.failure.state, "gaps": details.gaps},
    )
    metrics.add_metric(name="FailureEmailsSent", unit=MetricUnit.Count, value=int(email_sent))
    return {"email_sent": email_sent}


def _collect_details(cluster_id: str | None, bucket: str, context: LambdaContext) -> FailureDetails:
    if cluster_id is None:
        return FailureDetails()
    remaining_seconds = context.get_remaining_time_in_millis() / 1000 - _RESERVED_SECONDS
    timeout_seconds = max(0.0, min(_MAX_WAIT_SECONDS, remaining_seconds))
    return collect_failure_details(aws, bucket, cluster_id, timeout_seconds)
