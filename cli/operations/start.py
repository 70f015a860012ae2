"""The command `start`: start the run of a batch that is held."""

from __future__ import annotations

import json
from typing import Any

from cli.exit_codes import CommandError
from cli.target.target import Target
from local.errors import UserError

_START_BATCH = "Start Batch"  # the detail type that the watchdog expects


class BatchNotStartedError(CommandError):
    """The batch was not started, for a reason that the user cannot fix."""


def start_batch(target: Target, prefix: str) -> str:
    """Claim a complete batch, even if its files were uploaded too far apart, and start its run.

    Args:
        target: The stack.
        prefix: The batch prefix.

    Returns:
        A message about what happens now.

    Raises:
        UserError: The batch is incomplete.
        BatchNotStartedError: The batch changed in the meantime, or the function failed.
    """
    outcome = _invoke_watchdog(target, prefix)["outcome"]
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
        f" number of runs is in progress. To see it: ./run runs {target.options}"
    )


def _invoke_watchdog(target: Target, prefix: str) -> dict[str, Any]:
    event = {"detail-type": _START_BATCH, "detail": {"batch": prefix}}
    response = target.client("lambda").invoke(
        FunctionName=target.get_output("WatchdogFunctionName"), Payload=json.dumps(event)
    )
    result: dict[str, Any] = json.loads(response["Payload"].read())
    if "FunctionError" in response:
        raise BatchNotStartedError(
            f"the watchdog failed with {result.get('errorType')}: {result.get('errorMessage')}"
        )
    return result
