"""The first step of a run: its four files, in exactly the versions that were checked."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import PinInputsSettings, load_settings
from pipeline.intake.pinning import parse_input_files, pin_files

logger, metrics = create_observers("pin_inputs")


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:  # noqa: ARG001
    """Pin the run's input, of which the event has run_id, batch and files; its size in bytes."""
    logger.append_keys(run=event["run_id"], batch=event["batch"])
    settings = load_settings(PinInputsSettings)
    size = pin_files(settings.bucket, event["run_id"], parse_input_files(event["files"]))
    logger.info("%d bytes pinned", size)
    metrics.add_metric(name="BytesPinned", unit=MetricUnit.Bytes, value=size)
    return {"bytes": size}
