"""The state machine caught a failure: find out what can be found, and mail it once."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import ReportFailureSettings, load_settings
from pipeline.notifications.emails import EmailSender
from pipeline.recovery.failure_details import FailureDetails, collect_failure_details
from pipeline.recovery.failure_emails import failed_run_email, run_ended_key
from pipeline.recovery.failures import Failure

# EMR puts logs into the bucket every five minutes.
_PATIENCE_SECONDS = 300
# What is left for AWS's answers and for the mail itself.
_RESERVED_SECONDS = 60

logger, metrics = create_observers("report_failure")


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, bool]:
    """Mail the failure of a run, unless that was done; whether a mail was sent now."""
    run_id, batch, cluster_id = event["run_id"], event.get("batch"), event.get("cluster_id")
    logger.append_keys(run=run_id, batch=batch)
    settings = load_settings(ReportFailureSettings)
    caught = event["failure"]
    failure = Failure(*(str(caught.get(name) or "") for name in ("state", "error", "cause")))
    left = context.get_remaining_time_in_millis() / 1000 - _RESERVED_SECONDS
    patience = max(0.0, min(_PATIENCE_SECONDS, left))
    evidence = (
        collect_failure_details(settings.bucket, cluster_id, patience)
        if cluster_id
        else FailureDetails()
    )
    published = evidence.describe_published_run(settings.bucket, run_id)
    mail = failed_run_email(
        run_id,
        batch,
        settings.state_machine_arn,
        failure,
        evidence,
        settings.bucket,
        published,
    )
    mailer = EmailSender(settings.topic_arn, settings.ledger_table, context)
    was_sent = mailer.send_once(run_ended_key(run_id), mail)
    logger.info("failure at %s told: %s", failure.state, was_sent, extra={"gaps": evidence.gaps})
    metrics.add_metric(name="FailureEmailsSent", unit=MetricUnit.Count, value=int(was_sent))
    return {"mailed": was_sent}
