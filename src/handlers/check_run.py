"""Decide from the reports of both jobs whether a run may be published: the quality gate."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.events import CheckRunEvent
from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import CheckRunSettings, load_settings
from pipeline.aws.clients import AwsClients
from pipeline.publication.job_reports import read_job_reports
from pipeline.publication.quality_gate import check_run

aws = AwsClients("s3")
logger, metrics = create_observers("check_run")


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - required by Lambda
    """Check a run.

    Args:
        event: See `CheckRunEvent`.
        context: The context of the invocation.

    Returns:
        The percentage of rejected rentals, and the revenue and number of accepted rentals.

    Raises:
        InvalidEventError: A field of the event is missing or invalid.
        RunRejectedError: The run must not be published. The message names every problem.
        RetryableError: The same call may succeed later.
    """
    request = CheckRunEvent.from_event(event)
    logger.append_keys(run_id=request.run_id, batch=request.batch)
    settings = load_settings(CheckRunSettings)
    metrics.set_default_dimensions(stack=settings.stack)
    reports = read_job_reports(aws.s3, settings.bucket, request.run_id)
    figures = check_run(request.run_id, reports, Decimal(str(settings.max_rejected_percent)))
    logger.info(
        "The run passed the quality gate", extra={"rejected_percent": figures.rejected_percent}
    )
    for name, count in (
        ("AcceptedRentals", figures.accepted_rentals),
        ("RejectedRentals", figures.rejected_rentals),
    ):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    return {
        "rejected_percent": figures.rejected_percent,
        "accepted_revenue": figures.accepted_revenue,
        "accepted_rentals": figures.accepted_rentals,
    }
