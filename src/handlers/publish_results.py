"""A checked run has been catalogued: show it to readers, and tell people its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import PublishResultsSettings, load_settings
from pipeline.aws.athena import Athena
from pipeline.ledger.batch import Run
from pipeline.notifications.emails import EmailSender
from pipeline.publication.publisher import Publisher

logger, metrics = create_observers("publish_results")


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take `{run_id, batch, claimed_at, files, personal_data}`; answer `{status, pointer}`.

    `personal_data` is what the run's jobs were told, whatever the stack says by now.
    """
    run = Run(event["run_id"], event["batch"], event["claimed_at"], tuple(event["files"]))
    logger.append_keys(run=run.run_id, batch=run.batch)
    settings = load_settings(PublishResultsSettings)
    publisher = Publisher(
        settings.bucket,
        settings.ledger_table,
        event["personal_data"],
        EmailSender(settings.topic_arn, settings.ledger_table, context),
        Athena(
            settings.database,
            settings.workgroup,
            run.run_id,
            context.get_remaining_time_in_millis,
        ),
    )
    publication = publisher.publish(run)
    logger.info("run %s", publication.status.lower())
    if publication.told and publication.status == "PUBLISHED":
        metrics.add_metric(name="RunsPublished", unit=MetricUnit.Count, value=1)
    return {"status": publication.status, "pointer": publication.pointer}
