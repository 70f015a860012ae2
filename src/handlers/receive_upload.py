"""An object was created below `raw/`: check it, note it, start the batch that it completes."""

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
from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import ReceiveUploadSettings, load_settings
from pipeline.intake.receiver import UploadReceiver
from pipeline.intake.uploads import Upload
from pipeline.ledger.batch_ledger import BatchLedger
from pipeline.notifications.emails import EmailSender

logger, metrics = create_observers("receive_upload")


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
@event_source(data_class=S3EventBridgeNotificationEvent)
def handler(event: S3EventBridgeNotificationEvent, context: LambdaContext) -> dict[str, Any]:
    """Take one upload in; the answer is the receipt: outcome, batch and the runs started."""
    made = event.detail.object
    # Not `made.key`: it decodes, but keys from EventBridge are plain and may hold a plus.
    key = made["key"]
    place = parse_upload_key(key)
    logger.append_keys(key=key, batch=place.batch if place else None)
    settings = load_settings(ReceiveUploadSettings)
    upload = Upload(
        bucket=settings.bucket,
        key=key,
        size=made["size"],
        version_id=made.get("version-id"),
        sequencer=made.sequencer,
        event_time=event.time,
    )
    receiver = UploadReceiver(
        BatchLedger(settings.ledger_table),
        EmailSender(settings.topic_arn, settings.ledger_table, context),
        settings.state_machine_arn,
    )
    receipt = receiver.receive(upload)
    logger.info("upload %s", receipt.outcome)
    for run_id in receipt.runs:
        logger.info("run started", extra={"run": run_id})
    metrics.add_metric(name=f"Uploads{receipt.outcome.title()}", unit=MetricUnit.Count, value=1)
    return asdict(receipt)
