"""Publish a checked and cataloged run, and send its results by email."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.email_sender import create_email_sender
from handlers.events import PublishResultsEvent
from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import PublishResultsSettings, load_settings
from pipeline.aws.athena import QueryRunner
from pipeline.aws.clients import AwsClients
from pipeline.ledger.table import LedgerTable
from pipeline.publication.publisher import Publisher

aws = AwsClients("athena", "dynamodb", "s3", "sns")
logger, metrics = create_observers("publish_results")


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Publish a run.

    Args:
        event: See `PublishResultsEvent`. Its `personal_data` is the value that the jobs of the run
            used. The stack's parameter may have changed since then.
        context: The context of the invocation.

    Returns:
        The status PUBLISHED, SUPERSEDED, or VERIFIED, and the key of the publication record.

    Raises:
        InvalidEventError: A field of the event is missing or invalid.
        RunRejectedError: A job report is missing or invalid, or the tables in Athena do not
            match the job reports.
        QueryFailedError: Athena could not run a query.
        InvalidPublicationRecordError: A publication record among the newest ones is invalid.
        RetryableError: The same call may succeed later.
    """
    request = PublishResultsEvent.from_event(event)
    run = request.run
    logger.append_keys(run_id=run.run_id, batch=run.batch)
    settings = load_settings(PublishResultsSettings)
    metrics.set_default_dimensions(stack=settings.stack)
    ledger = LedgerTable(aws.dynamodb, settings.ledger_table)
    publisher = Publisher(
        aws.s3,
        settings.bucket,
        ledger,
        QueryRunner(
            aws.athena,
            settings.database,
            settings.workgroup,
            run.run_id,
            context.get_remaining_time_in_millis,
        ),
        create_email_sender(aws, settings, ledger, context),
        Decimal(str(settings.max_rejected_percent)),
        settings.stack,
    )
    publication = publisher.publish(
        run, personal_data=request.personal_data, is_test=not request.publish
    )
    logger.info("Run %s", publication.status.lower())
    if publication.email_sent and publication.status == "PUBLISHED":
        metrics.add_metric(name="RunsPublished", unit=MetricUnit.Count, value=1)
    return {"status": publication.status, "record_key": publication.record_key}
