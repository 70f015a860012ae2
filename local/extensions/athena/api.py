"""Athena: queries in Athena's own SQL over the tables of the Glue catalogue.

MiniStack keeps workgroups, saved queries and the record of executions, and asks IAM. What it does
not have is here: a query runs with the credentials of whoever started it, so the catalogue and the
bucket answer it as they would answer them; its answer is the file in the workgroup's place, and
GetQueryResults reads it from there.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from local.extensions.athena.query_run import Run, StoppedError
from local.extensions.athena.sql import MalformedQueryError, QueryError, is_query, parse
from local.extensions.athena.tables import TooMuchScannedError
from local.extensions.athena.values import csv_rows
from local.extensions.patching.caller import Caller, UnknownCallerError, caller_of
from local.extensions.patching.patches import replace, resolve
from local.extensions.patching.responses import Answer, accepted, refused
from local.extensions.s3.files import split_location

_MOST_ROWS = 1000
_ENGINE = "Athena engine version 3"
_GOING_ON = ("QUEUED", "RUNNING")
_REQUEST = ("method", "path", "headers", "body", "query_params")

_log = logging.getLogger("athena")
_lock = threading.Lock()
_runs: dict[str, Run] = {}
_originals: dict[str, Callable[..., Any]] = {}


class _InvalidRequestError(Exception):
    """What Athena refuses to do, in its words."""

    def __init__(self, message: str, code: str = "INVALID_INPUT") -> None:
        super().__init__(message)
        self.code = code


def install() -> None:
    """Take the three calls that need an engine; everything else stays MiniStack's."""
    _originals["handle_request"] = replace(
        "ministack.services.athena", "handle_request", _handle_request, _REQUEST
    )


async def _handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
) -> Answer:
    action = headers.get("x-amz-target", "").partition(".")[2]
    ours: Callable[[dict[str, Any], Caller], dict[str, Any]] | None = _ACTIONS.get(action)
    if ours is None:
        original = _originals["handle_request"](method, path, headers, body, query_params)
        answer: Answer = await original
        return answer
    resolve("ministack.services.athena", "_ensure_default_workgroup")()
    # In a thread, since it asks this very server for more.
    respond = partial(_respond, ours, body, headers, query_params)
    ours_answer: Answer = await resolve("ministack.core.concurrency", "run_reentrant")(respond)
    return ours_answer


def _respond(
    action: Callable[[dict[str, Any], Caller], dict[str, Any]],
    body: bytes,
    headers: dict[str, str],
    query_params: dict[str, Any],
) -> Answer:
    try:
        return accepted(action(json.loads(body or b"{}"), caller_of(headers, query_params)))
    except UnknownCallerError as error:
        return refused("UnrecognizedClientException", str(error))
    except _InvalidRequestError as error:
        more = {"AthenaErrorCode": error.code}
        return refused("InvalidRequestException", str(error), extra=more)


def _start(request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """StartQueryExecution: refused at once if it can never run, else run in a thread."""
    text = request.get("QueryString", "")
    try:
        statement = parse(text)
    except MalformedQueryError as error:
        raise _InvalidRequestError(str(error), "MALFORMED_QUERY") from error
    settings = _workgroup(request.get("WorkGroup", "primary"))
    output = _output(request, settings)
    _look_at_bucket(output, caller)
    executions = resolve("ministack.services.athena", "_executions")
    token = request.get("ClientRequestToken")
    context = request.get("QueryExecutionContext", {})
    query_id = str(uuid4())
    suffix = "csv" if is_query(statement) else "txt"
    output["OutputLocation"] = f"{output['OutputLocation'].rstrip('/')}/{query_id}.{suffix}"
    execution = {
        "QueryExecutionId": query_id,
        "Query": text,
        "StatementType": "DML" if is_query(statement) else "DDL",
        "SubstatementType": "SELECT" if is_query(statement) else f"{statement.key.upper()}_VIEW",
        "ResultConfiguration": output,
        "QueryExecutionContext": {"Catalog": "awsdatacatalog", **context},
        "Status": {"State": "QUEUED", "SubmissionDateTime": time.time()},
        "Statistics": {},
        "WorkGroup": request.get("WorkGroup", "primary"),
        "EngineVersion": {"SelectedEngineVersion": _ENGINE, "EffectiveEngineVersion": _ENGINE},
        "_request": request,
    }
    if request.get("ExecutionParameters"):
        execution["ExecutionParameters"] = request["ExecutionParameters"]
    run = Run(
        text,
        statement,
        request.get("ExecutionParameters", []),
        context.get("Database", "default").lower(),
        caller,
        output,
        settings.get("BytesScannedCutoffPerQuery"),
    )
    with _lock:
        # Of the same request, sent again, there is one execution.
        for known in list(executions.values()) if token else []:
            if known.get("_request", {}).get("ClientRequestToken") == token:
                if known["_request"] != execution["_request"]:
                    raise _InvalidRequestError("Idempotent parameters do not match")
                return {"QueryExecutionId": known["QueryExecutionId"]}
        executions[query_id] = execution
        _runs[query_id] = run
    resolve("ministack.core.concurrency", "spawn_background")(
        _execute, execution, run, thread_name=f"athena-{query_id}"
    )
    return {"QueryExecutionId": query_id}


def _workgroup(name: str) -> dict[str, Any]:
    group = resolve("ministack.services.athena", "_workgroups").get(name)
    if group is None:
        raise _InvalidRequestError(f"WorkGroup {name} is not found.")
    if group.get("State") == "DISABLED":
        raise _InvalidRequestError(f"WorkGroup {name} is disabled.")
    return dict(group.get("Configuration", {}))


def _output(request: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Where the answer goes and how it is encrypted: an enforced workgroup decides alone."""
    of_group = dict(settings.get("ResultConfiguration", {}))
    of_client = dict(request.get("ResultConfiguration", {}))
    # Enforcing is what a workgroup does unless it is told otherwise.
    enforced = settings.get("EnforceWorkGroupConfiguration", bool(of_group))
    output = of_group if enforced else {**of_group, **of_client}
    if not output.get("OutputLocation"):
        raise _InvalidRequestError(
            "No output location provided. An output location is required either through the"
            " Workgroup result configuration setting or as an API input."
        )
    return output


def _execute(execution: dict[str, Any], run: Run) -> None:
    began = time.time()
    _change(execution, "RUNNING")
    state, more = "SUCCEEDED", {}
    try:
        run.execute()
    except QueryError as error:
        state, more = "FAILED", _failure(str(error), error.category)
    except TooMuchScannedError:
        state, more = "CANCELLED", {"StateChangeReason": "Bytes scanned limit was exceeded"}
    except StoppedError:
        state, more = "CANCELLED", {"StateChangeReason": "Query was cancelled by user"}
    except Exception as error:  # noqa: BLE001 - logged; a query never stays RUNNING
        _log.exception("query %s", execution["QueryExecutionId"])
        state, more = "FAILED", _failure(f"GENERIC_INTERNAL_ERROR: {error}", 1)
    ended = time.time()
    engine = round(1000 * (ended - began))
    queued = round(1000 * (began - execution["Status"]["SubmissionDateTime"]))
    execution["_columns"] = run.columns
    execution["Statistics"] = {
        "EngineExecutionTimeInMillis": engine,
        "DataScannedInBytes": run.scanned,
        "TotalExecutionTimeInMillis": queued + engine,
        "QueryQueueTimeInMillis": queued,
        "ServiceProcessingTimeInMillis": 0,
    }
    with _lock:
        _runs.pop(execution["QueryExecutionId"], None)
    _change(execution, state, CompletionDateTime=ended, **more)


def _look_at_bucket(output: dict[str, Any], caller: Caller) -> None:
    bucket, _ = split_location(output["OutputLocation"])
    try:
        caller.client("s3").get_bucket_location(Bucket=bucket)
    except ClientError as error:
        raise _InvalidRequestError(
            f"Unable to verify/create output bucket {bucket} ({error})"
        ) from error


def _failure(reason: str, category: int) -> dict[str, Any]:
    return {
        "StateChangeReason": reason,
        "AthenaError": {"ErrorCategory": category, "Retryable": False, "ErrorMessage": reason},
    }


def _change(execution: dict[str, Any], state: str, **more: Any) -> None:
    """The execution's next state, unless it has ended; a new record, since others read it."""
    with _lock:
        if execution["Status"]["State"] in _GOING_ON:
            execution["Status"] = {**execution["Status"], "State": state, **more}


def _stop(request: dict[str, Any], _: Caller) -> dict[str, Any]:
    """StopQueryExecution: of no effect on a query that has ended."""
    execution = _execution(request)
    with _lock:
        run = _runs.get(execution["QueryExecutionId"])
    if run:
        _change(
            execution,
            "CANCELLED",
            StateChangeReason="Query was cancelled by user",
            CompletionDateTime=time.time(),
        )
        run.stop()
    return {}


def _results(request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """GetQueryResults: a page of the answer's file, read as whoever asks may read it."""
    execution = _execution(request)
    status = execution["Status"]
    if status["State"] in _GOING_ON:
        raise _InvalidRequestError(f"Query has not yet finished. Current state: {status['State']}")
    if status["State"] != "SUCCEEDED":
        raise _InvalidRequestError(
            "Query did not finish successfully. Final query state: " + status["State"]
        )
    most = request.get("MaxResults", _MOST_ROWS)
    if not 1 <= most <= _MOST_ROWS:
        raise _InvalidRequestError("MaxResults is more than maximum allowed length 1000.")
    location = execution["ResultConfiguration"]["OutputLocation"]
    bucket, key = split_location(location)
    try:
        body = caller.client("s3").get_object(Bucket=bucket, Key=key.rstrip("/"))["Body"].read()
    except ClientError as error:
        raise _InvalidRequestError(f"Could not find results: {location} ({error})") from error
    rows = csv_rows(body.decode())
    start = int(request.get("NextToken") or 0)
    answer: dict[str, Any] = {
        "UpdateCount": 0,
        "ResultSet": {
            "ResultSetMetadata": {"ColumnInfo": execution["_columns"]},
            "Rows": [
                {"Data": [{} if one is None else {"VarCharValue": one} for one in row]}
                for row in rows[start : start + most]
            ],
        },
    }
    if start + most < len(rows):
        answer["NextToken"] = str(start + most)
    return answer


def _execution(request: dict[str, Any]) -> dict[str, Any]:
    query_id = request.get("QueryExecutionId", "")
    executions = resolve("ministack.services.athena", "_executions")
    execution: dict[str, Any] | None = executions.get(query_id)
    if execution is None:
        raise _InvalidRequestError(f"QueryExecution {query_id} was not found")
    return execution


_ACTIONS = {
    "StartQueryExecution": _start,
    "StopQueryExecution": _stop,
    "GetQueryResults": _results,
}
