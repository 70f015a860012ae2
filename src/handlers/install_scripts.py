"""The custom resource `Custom::SparkScripts`: install the Spark scripts of a deployment."""

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
from pipeline.aws.clients import AwsClients
from pipeline.errors import SettingsError
from pipeline.release.custom_resource import ResourceResponse, handle_request
from pipeline.release.spark_scripts import ReleaseOwner, install_release, remove_releases

aws = AwsClients("s3")
logger, metrics = create_observers("install_scripts")

# The same for every version of the resource, so that CloudFormation never treats an update as a
# replacement, and never asks to remove earlier releases.
PHYSICAL_ID = "emr-scripts"


@logger.inject_lambda_context(clear_state=True)
@log_and_translate_errors(logger)
@metrics.log_metrics(capture_cold_start_metric=True)
@event_source(data_class=CloudFormationCustomResourceEvent)
def handler(event: CloudFormationCustomResourceEvent, context: LambdaContext) -> dict[str, Any]:
    """Install or remove the Spark scripts, and send the result to CloudFormation.

    Args:
        event: A request of CloudFormation.
        context: The context of the invocation.

    Returns:
        The status, and the attributes `Prefix` and `Release` of the resource.

    Raises:
        ResponseDeliveryError: The result could not be sent. Lambda repeats the request.
    """
    logger.append_keys(stack=event.stack_id, request=event.request_type)
    response = handle_request(event, context, partial(_apply, event))
    logger.append_keys(release=response.data.get("Release"))
    if response.error:
        logger.error("Sent the status FAILED to CloudFormation", exc_info=response.error)
    else:
        logger.info("Sent the status SUCCESS to CloudFormation")
    metrics.add_metric(name=f"Scripts{response.status.title()}", unit=MetricUnit.Count, value=1)
    return {"status": response.status, "data": dict(response.data)}


def _apply(event: CloudFormationCustomResourceEvent) -> ResourceResponse:
    is_delete = event.request_type == "Delete"
    try:
        settings = load_settings(InstallScriptsSettings)
    except SettingsError:
        if is_delete and event.physical_resource_id != PHYSICAL_ID:
            # The creation failed, most likely for the same reason. Let the rollback continue.
            return ResourceResponse(event.physical_resource_id)
        raise
    metrics.set_default_dimensions(stack=settings.stack)
    owner = ReleaseOwner(event.stack_id, event.logical_resource_id)
    if is_delete:
        remove_releases(aws.s3, settings.bucket, owner)
        return ResourceResponse(event.physical_resource_id)
    release = install_release(aws.s3, settings.bucket, owner)
    return ResourceResponse(PHYSICAL_ID, {"Prefix": scripts_prefix(release), "Release": release})
