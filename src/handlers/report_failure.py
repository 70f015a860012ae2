"""The state machine caught a failure: find out what can be found, and mail it once."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.observability import observers, own_failures
from handlers.settings import ReportFailure, load
from pipeline.notifications.emails import Mailer
from pipeline.recovery.failure_details import Evidence, gather
from pipeline.recovery.failure_emails import ended_cause, failed
from pipeline.recovery.failures import Failure

# EMR puts logs into the bucket every five minutes.
_PATIENCE_SECONDS = 300
# What is left for AWS's answers and for the mail itself.
_RESERVED_SECONDS = 60

logger, tracer, metrics = observers("report_failure")


@logger.inject_lambda_context(clear_state=True)
@own_failures(logger)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, bool]:
    """Mail the failure of a run, unless that was done; whether a mail was sent now."""
    run_id, batch, cluster_id = event["run_id"], event.get("batch"), event.get("cluster_id")
    logger.append_keys(run=run_id, batch=batch)
    settings = load(ReportFailure)
    caught = event["failure"]
    failure = Failure(*(str(caught.get(name) or "") for name in ("state", "error", "cause")))
    left = context.get_remaining_time_in_millis() / 1000 - _RESERVED_SECONDS
    patience = max(0.0, min(_PATIENCE_SECONDS, left))
    evidence = gather(settings.bucket, cluster_id, patience) if cluster_id else Evidence()
    published = evidence.what_readers_see(settings.bucket, run_id)
    mail = failed(
        run_id,
        batch,
        settings.state_machine_arn,
        failure,
        evidence,
        settings.bucket,
        published,
    )
    mailer = Mailer(settings.topic_arn, settings.ledger_table, context)
    was_sent = mailer.tell_once(ended_cause(run_id), mail)
    logger.info("failure at %s told: %s", failure.state, was_sent, extra={"gaps": evidence.gaps})
    metrics.add_metric(name="FailuresMailed", unit=MetricUnit.Count, value=int(was_sent))
    return {"mailed": was_sent}
