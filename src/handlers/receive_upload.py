"""Check and record a file uploaded below `raw/`, and start the run of a complete batch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import (
    S3EventBridgeNotificationEvent,
    event_source,
)
from aws_lambda_powertools.utilities.typing import LambdaContext

from contract.layout import parse_upload_key
from handlers.email_sender import create_email_sender
from handlers.intake import create_intake
from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import ReceiveUploadSettings, load_settings
from pipeline.aws.clients import AwsClients
from pipeline.intake.receiver import UploadReceiver
from pipeline.intake.uploads import Upload
from pipeline.ledger.batch import order_of_event
from pipeline.ledger.table import LedgerTable

aws = AwsClients()
logger, metrics = create_observers("receive_upload")


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
@event_source(data_class=S3EventBridgeNotificationEvent)
def handler(event: S3EventBridgeNotificationEvent, context: LambdaContext) -> dict[str, Any]:
    """Process one upload.

    Args:
        event: An Object Created event of the data bucket.
        context: The context of the invocation.

    Returns:
        The fields of an `UploadReceipt`.

    Raises:
        RetryableError: The same call may succeed later.
    """
    created = event.detail.object
    # Not `created.key`, which decodes the key: EventBridge does not encode keys, so a plus sign is
    # part of the key.
    key = created["key"]
    location = parse_upload_key(key)
    logger.append_keys(key=key, batch=location.batch_prefix if location else None)
    settings = load_settings(ReceiveUploadSettings)
    metrics.set_default_dimensions(stack=settings.stack)
    upload = Upload(
        bucket=settings.bucket,
        key=key,
        size=created["size"],
        version_id=created.get("version-id"),
        order=order_of_event(created.sequencer),
        event_time=event.time,
    )
    ledger = LedgerTable(aws.dynamodb, settings.ledger_table)
    email_sender = create_email_sender(aws, settings, ledger, context)
    intake = create_intake(aws, settings, ledger, email_sender, settings.start_function)
    receiver = UploadReceiver(intake.recorder, intake.claimer, intake.run_starter, email_sender)
    receipt = receiver.receive(upload)
    logger.info("Upload processed", extra={"outcome": receipt.outcome})
    for run_id in receipt.runs:
        logger.info("Started a run", extra={"run_id": run_id})
    metrics.add_metric(name=f"Uploads{receipt.outcome}", unit=MetricUnit.Count, value=1)
    return asdict(receipt)
