"""The template's `Custom::SparkScripts`: the jobs come into the bucket with the stack."""

from __future__ import annotations

from functools import partial
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import (
    CloudFormationCustomResourceEvent,
    event_source,
)
from aws_lambda_powertools.utilities.typing import LambdaContext

from contract.layout import scripts_prefix
from handlers.observability import create_observers, log_and_translate_errors
from handlers.settings import InstallScriptsSettings, load_settings
from pipeline.errors import SettingsError
from pipeline.release.custom_resource import ResourceResponse, handle_request
from pipeline.release.spark_scripts import ReleaseOwner, install, remove

logger, metrics = create_observers("install_scripts")

# The same for each version of the resource: so CloudFormation never takes an update for a
# replacement, and never asks for the earlier releases to be removed.
PHYSICAL_ID = "emr-scripts"


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
@event_source(data_class=CloudFormationCustomResourceEvent)
def handler(event: CloudFormationCustomResourceEvent, context: LambdaContext) -> dict[str, Any]:
    """Install or remove the scripts, and tell CloudFormation; Data has `Prefix` and `Release`."""
    logger.append_keys(stack=event.stack_id, request=event.request_type)
    answer = handle_request(event, context, partial(_act, event))
    logger.append_keys(release=answer.data.get("Release"))
    if answer.error:
        logger.error("scripts: told FAILED", exc_info=answer.error)
    else:
        logger.info("scripts: told SUCCESS")
    metrics.add_metric(name=f"Scripts{answer.status.title()}", unit=MetricUnit.Count, value=1)
    return {"status": answer.status, "data": dict(answer.data)}


def _act(event: CloudFormationCustomResourceEvent) -> ResourceResponse:
    is_delete = event.request_type == "Delete"
    try:
        bucket = load_settings(InstallScriptsSettings).bucket
    except SettingsError:
        if is_delete and event.physical_resource_id != PHYSICAL_ID:
            # The creation failed, most likely for this very reason: do not stand in the way.
            return ResourceResponse(event.physical_resource_id)
        raise
    owner = ReleaseOwner(event.stack_id, event.logical_resource_id)
    if is_delete:
        remove(bucket, owner)
        return ResourceResponse(event.physical_resource_id)
    release = install(bucket, owner)
    return ResourceResponse(PHYSICAL_ID, {"Prefix": scripts_prefix(release), "Release": release})
