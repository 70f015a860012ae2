"""Both jobs are done: may their run be published?"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import CheckRunSettings, load_settings
from pipeline.publication.job_reports import read_job_reports
from pipeline.publication.quality_gate import check_run

logger, metrics = create_observers("check_run")


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    """Take `{run_id, batch}`; answer the run's figures, or RunRejectedError with every problem."""
    run_id = event["run_id"]
    logger.append_keys(run=run_id, batch=event["batch"])
    settings = load_settings(CheckRunSettings)
    reports = read_job_reports(settings.bucket, run_id)
    quality = check_run(run_id, reports, Decimal(str(settings.max_rejected_percent)))
    logger.info("run may be published, %s percent rejected", quality.rejected_percent)
    for name, count in (
        ("AcceptedRentals", quality.accepted_rentals),
        ("RejectedRentals", quality.rejected_rentals),
    ):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    return {
        "rejected_percent": quality.rejected_percent,
        "accepted_revenue": quality.accepted_revenue,
        "accepted_rentals": quality.accepted_rentals,
    }
