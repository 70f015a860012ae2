"""`./run start`: start the run of a batch that is held."""

from __future__ import annotations

import json
from typing import Any

from cli.cloud.invoke import list_deployed_functions
from cli.exit_codes import CommandError
from local.cloud import Cloud
from local.errors import UserError
from pipeline.intake.upload_emails import build_start_event

_WATCHDOG = "watchdog"


class BatchNotStartedError(CommandError):
    """The batch was not started, for a reason that the user cannot fix."""


def start_batch(cloud: Cloud, prefix: str) -> str:
    """Claim a complete batch, even if its files were uploaded too far apart, and start its run.

    Args:
        cloud: Local cloud with the deployed stack.
        prefix: The batch prefix.

    Returns:
        A message about what happens now.

    Raises:
        UserError: The batch is incomplete, or the stack is not deployed.
        BatchNotStartedError: The batch changed in the meantime, or the function failed.
    """
    outcome = _invoke_watchdog(cloud, build_start_event(prefix))["outcome"]
    if outcome == "Incomplete":
        raise UserError(
            f"batch {prefix} is incomplete: upload the missing or rejected files, and run this"
            " command again. If its run has already started, the next run needs four new files"
        )
    if outcome != "Claimed":
        raise BatchNotStartedError(
            f"the files of batch {prefix} have just changed, so no run has started: run this"
            " command again"
        )
    return (
        f"Batch {prefix} is claimed. Its run starts now, or when another run ends if the maximum"
        " number of runs is in progress. To see it: ./run local status"
    )


def _invoke_watchdog(cloud: Cloud, event: dict[str, Any]) -> dict[str, Any]:
    [function] = [item for item in list_deployed_functions(cloud) if item.module == _WATCHDOG]
    response = cloud.client("lambda").invoke(
        FunctionName=function.configuration["FunctionName"], Payload=json.dumps(event)
    )
    result: dict[str, Any] = json.loads(response["Payload"].read())
    if "FunctionError" in response:
        raise BatchNotStartedError(
            f"the watchdog failed with {result.get('errorType')}: {result.get('errorMessage')}"
        )
    return result
