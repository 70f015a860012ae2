"""Copy the exact file versions of a run to its pinned input: the first step of a run."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.events import PinInputsEvent
from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import PinInputsSettings, load_settings
from pipeline.aws.clients import AwsClients
from pipeline.intake.pinning import InputPinner

aws = AwsClients("s3")
logger, metrics = create_observers("pin_inputs")


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:  # noqa: ARG001 - required by Lambda
    """Pin the input of a run.

    Args:
        event: See `PinInputsEvent`.
        context: The context of the invocation.

    Returns:
        The size of the input in bytes.

    Raises:
        InvalidEventError: A field of the event is missing or invalid.
        InputMissingError: A file version does not exist, or it is not the version that was checked.
        RetryableError: The same call may succeed later.
    """
    request = PinInputsEvent.from_event(event)
    logger.append_keys(run_id=request.run_id, batch=request.batch)
    settings = load_settings(PinInputsSettings)
    metrics.set_default_dimensions(stack=settings.stack)
    size = InputPinner(aws.s3, settings.bucket, request.run_id).pin(request.files)
    logger.info("Pinned %d bytes", size)
    metrics.add_metric(name="BytesPinned", unit=MetricUnit.Bytes, value=size)
    return {"bytes": size}
