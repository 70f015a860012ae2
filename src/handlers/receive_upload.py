"""Check and record a file uploaded below `raw/`, and start the run of a complete batch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from contract.layout import parse_upload_key
from handlers.email_sender import create_email_sender
from handlers.events import ObjectCreatedEvent
from handlers.intake import create_intake
from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import ReceiveUploadSettings, load_settings
from pipeline.aws.clients import AwsClients
from pipeline.intake.receiver import UploadReceiver
from pipeline.intake.uploads import Upload
from pipeline.ledger.batch import order_of_event
from pipeline.ledger.table import LedgerTable

aws = AwsClients("dynamodb", "s3", "sns", "stepfunctions")
logger, metrics = create_observers("receive_upload")


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process one upload.

    Args:
        event: An Object Created event of the data bucket.
        context: The context of the invocation.

    Returns:
        The fields of an `UploadReceipt`.

    Raises:
        InvalidEventError: A field of the event is missing or invalid.
        RetryableError: The same call may succeed later.
    """
    created = ObjectCreatedEvent.from_event(event)
    location = parse_upload_key(created.key)
    logger.append_keys(key=created.key, batch=location.batch_prefix if location else None)
    settings = load_settings(ReceiveUploadSettings)
    metrics.set_default_dimensions(stack=settings.stack)
    upload = Upload(
        bucket=settings.bucket,
        key=created.key,
        size=created.size,
        version_id=created.version_id,
        order=order_of_event(created.sequencer),
        event_time=created.time,
    )
    ledger = LedgerTable(aws.dynamodb, settings.ledger_table)
    email_sender = create_email_sender(aws, settings, ledger, context)
    intake = create_intake(aws, settings, ledger, email_sender)
    receiver = UploadReceiver(intake.recorder, intake.claimer, intake.run_starter, email_sender)
    receipt = receiver.receive(upload)
    logger.info("Upload processed", extra={"outcome": receipt.outcome})
    for run_id in receipt.runs:
        logger.info("Started a run", extra={"run_id": run_id})
    metrics.add_metric(name=f"Uploads{receipt.outcome}", unit=MetricUnit.Count, value=1)
    return asdict(receipt)
