"""The API of Athena: StartQueryExecution, StopQueryExecution, and GetQueryResults.

MiniStack manages workgroups, saved queries, and the records of query executions, and checks IAM
permissions. This module adds the engine. A query runs with the credentials of the caller who
started it, so the catalog and the bucket check that caller's permissions. Its result is a file in
the location that the workgroup sets, and GetQueryResults reads that file.
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

from local.extensions.athena.query_runner import QueryCanceledError, QueryRunner
from local.extensions.athena.sql import MalformedQueryError, QueryError, is_query, parse
from local.extensions.athena.tables import ScanLimitExceededError
from local.extensions.athena.values import parse_csv
from local.extensions.patching.caller import Caller, UnknownCallerError, get_caller
from local.extensions.patching.patches import replace, resolve
from local.extensions.patching.responses import Response, error_response, success_response
from local.extensions.s3.files import split_location

_MAX_ROWS_PER_PAGE = 1000
_ENGINE = "Athena engine version 3"
_UNFINISHED = ("QUEUED", "RUNNING")
_REQUEST_PARAMETERS = ("method", "path", "headers", "body", "query_params")
_ATHENA = "ministack.services.athena"
_CONCURRENCY = "ministack.core.concurrency"

_Action = Callable[[dict[str, Any], Caller], dict[str, Any]]

_log = logging.getLogger("athena")
_lock = threading.Lock()
_unfinished_runners: dict[str, QueryRunner] = {}  # by query ID
_originals: dict[str, Callable[..., Any]] = {}


class _InvalidRequestError(Exception):
    """Athena's InvalidRequestException, with its message."""

    def __init__(self, message: str, code: str = "INVALID_INPUT") -> None:
        super().__init__(message)
        self.code = code


def install() -> None:
    """Handle the three actions that need an engine. MiniStack handles all others."""
    _originals["handle_request"] = replace(
        _ATHENA, "handle_request", _handle_request, _REQUEST_PARAMETERS
    )


async def _handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
) -> Response:
    name = headers.get("x-amz-target", "").partition(".")[2]
    action: _Action | None = _ACTIONS.get(name)
    response: Response
    if action is None:
        response = await _originals["handle_request"](method, path, headers, body, query_params)
        return response
    resolve(_ATHENA, "_ensure_default_workgroup")()
    # In a thread, because the action sends further requests to this server.
    call = partial(_call_action, action, body, headers, query_params)
    response = await resolve(_CONCURRENCY, "run_reentrant")(call)
    return response


def _call_action(
    action: _Action, body: bytes, headers: dict[str, str], query_params: dict[str, Any]
) -> Response:
    try:
        return success_response(
            action(json.loads(body or b"{}"), get_caller(headers, query_params))
        )
    except UnknownCallerError as error:
        return error_response("UnrecognizedClientException", str(error))
    except _InvalidRequestError as error:
        details = {"AthenaErrorCode": error.code}
        return error_response("InvalidRequestException", str(error), extra=details)


def _start_query_execution(request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Start a query in a thread. A request that can never succeed is rejected at once."""
    text = request.get("QueryString", "")
    try:
        statement = parse(text)
    except MalformedQueryError as error:
        raise _InvalidRequestError(str(error), "MALFORMED_QUERY") from error
    workgroup = _get_workgroup_configuration(request.get("WorkGroup", "primary"))
    result_configuration = _get_result_configuration(request, workgroup)
    _check_bucket(result_configuration, caller)
    executions = resolve(_ATHENA, "_executions")
    token = request.get("ClientRequestToken")
    context = request.get("QueryExecutionContext", {})
    query_id = str(uuid4())
    suffix = "csv" if is_query(statement) else "txt"
    folder = result_configuration["OutputLocation"].rstrip("/")
    result_configuration["OutputLocation"] = f"{folder}/{query_id}.{suffix}"
    execution = {
        "QueryExecutionId": query_id,
        "Query": text,
        "StatementType": "DML" if is_query(statement) else "DDL",
        "SubstatementType": "SELECT" if is_query(statement) else f"{statement.key.upper()}_VIEW",
        "ResultConfiguration": result_configuration,
        "QueryExecutionContext": {"Catalog": "awsdatacatalog", **context},
        "Status": {"State": "QUEUED", "SubmissionDateTime": time.time()},
        "Statistics": {},
        "WorkGroup": request.get("WorkGroup", "primary"),
        "EngineVersion": {"SelectedEngineVersion": _ENGINE, "EffectiveEngineVersion": _ENGINE},
        "_request": request,
    }
    if request.get("ExecutionParameters"):
        execution["ExecutionParameters"] = request["ExecutionParameters"]
    runner = QueryRunner(
        text,
        statement,
        request.get("ExecutionParameters", []),
        context.get("Database", "default").lower(),
        caller,
        result_configuration,
        workgroup.get("BytesScannedCutoffPerQuery"),
    )
    with _lock:
        # A request that is sent again with the same token starts no second execution.
        for existing in list(executions.values()) if token else []:
            if existing.get("_request", {}).get("ClientRequestToken") == token:
                if existing["_request"] != execution["_request"]:
                    raise _InvalidRequestError("Idempotent parameters do not match")
                return {"QueryExecutionId": existing["QueryExecutionId"]}
        executions[query_id] = execution
        _unfinished_runners[query_id] = runner
    resolve(_CONCURRENCY, "spawn_background")(
        _run_query, execution, runner, thread_name=f"athena-{query_id}"
    )
    return {"QueryExecutionId": query_id}


def _get_workgroup_configuration(name: str) -> dict[str, Any]:
    workgroup = resolve(_ATHENA, "_workgroups").get(name)
    if workgroup is None:
        raise _InvalidRequestError(f"WorkGroup {name} is not found.")
    if workgroup.get("State") == "DISABLED":
        raise _InvalidRequestError(f"WorkGroup {name} is disabled.")
    return dict(workgroup.get("Configuration", {}))


def _get_result_configuration(request: dict[str, Any], workgroup: dict[str, Any]) -> dict[str, Any]:
    """Return the location and the encryption of the result.

    A workgroup that enforces its configuration overrides the request.
    """
    from_workgroup = dict(workgroup.get("ResultConfiguration", {}))
    from_request = dict(request.get("ResultConfiguration", {}))
    # A workgroup enforces its configuration by default.
    is_enforced = workgroup.get("EnforceWorkGroupConfiguration", bool(from_workgroup))
    configuration = from_workgroup if is_enforced else {**from_workgroup, **from_request}
    if not configuration.get("OutputLocation"):
        raise _InvalidRequestError(
            "No output location provided. An output location is required either through the"
            " Workgroup result configuration setting or as an API input."
        )
    return configuration


def _run_query(execution: dict[str, Any], runner: QueryRunner) -> None:
    started_at = time.time()
    _set_state(execution, "RUNNING")
    state, details = "SUCCEEDED", {}
    try:
        runner.run()
    except QueryError as error:
        state, details = "FAILED", _describe_failure(str(error), error.category)
    except ScanLimitExceededError:
        state, details = "CANCELLED", {"StateChangeReason": "Bytes scanned limit was exceeded"}
    except QueryCanceledError:
        state, details = "CANCELLED", {"StateChangeReason": "Query was cancelled by user"}
    except Exception as error:  # noqa: BLE001 - logged; a query must not stay in RUNNING
        _log.exception("query %s failed", execution["QueryExecutionId"])
        state, details = "FAILED", _describe_failure(f"GENERIC_INTERNAL_ERROR: {error}", 1)
    ended_at = time.time()
    engine_ms = round(1000 * (ended_at - started_at))
    queue_ms = round(1000 * (started_at - execution["Status"]["SubmissionDateTime"]))
    execution["_columns"] = runner.columns
    execution["Statistics"] = {
        "EngineExecutionTimeInMillis": engine_ms,
        "DataScannedInBytes": runner.scanned_bytes,
        "TotalExecutionTimeInMillis": queue_ms + engine_ms,
        "QueryQueueTimeInMillis": queue_ms,
        "ServiceProcessingTimeInMillis": 0,
    }
    with _lock:
        _unfinished_runners.pop(execution["QueryExecutionId"], None)
    _set_state(execution, state, CompletionDateTime=ended_at, **details)


def _check_bucket(result_configuration: dict[str, Any], caller: Caller) -> None:
    bucket, _ = split_location(result_configuration["OutputLocation"])
    try:
        caller.client("s3").get_bucket_location(Bucket=bucket)
    except ClientError as error:
        raise _InvalidRequestError(
            f"Unable to verify/create output bucket {bucket} ({error})"
        ) from error


def _describe_failure(reason: str, category: int) -> dict[str, Any]:
    return {
        "StateChangeReason": reason,
        "AthenaError": {"ErrorCategory": category, "Retryable": False, "ErrorMessage": reason},
    }


def _set_state(execution: dict[str, Any], state: str, **details: Any) -> None:
    """Change the state of an execution, unless the execution has ended.

    The status is replaced rather than changed, because other threads read it without the lock.
    """
    with _lock:
        if execution["Status"]["State"] in _UNFINISHED:
            execution["Status"] = {**execution["Status"], "State": state, **details}


def _stop_query_execution(request: dict[str, Any], _: Caller) -> dict[str, Any]:
    """Cancel a query. This has no effect on a query that has ended."""
    execution = _get_execution(request)
    with _lock:
        runner = _unfinished_runners.get(execution["QueryExecutionId"])
    if runner:
        _set_state(
            execution,
            "CANCELLED",
            StateChangeReason="Query was cancelled by user",
            CompletionDateTime=time.time(),
        )
        runner.cancel()
    return {}


def _get_query_results(request: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Return a page of the result, which is read from S3 with the caller's permissions."""
    execution = _get_execution(request)
    state = execution["Status"]["State"]
    if state in _UNFINISHED:
        raise _InvalidRequestError(f"Query has not yet finished. Current state: {state}")
    if state != "SUCCEEDED":
        raise _InvalidRequestError(f"Query did not finish successfully. Final query state: {state}")
    page_size = request.get("MaxResults", _MAX_ROWS_PER_PAGE)
    if not 1 <= page_size <= _MAX_ROWS_PER_PAGE:
        raise _InvalidRequestError("MaxResults is more than maximum allowed length 1000.")
    location = execution["ResultConfiguration"]["OutputLocation"]
    bucket, key = split_location(location)
    try:
        body = caller.client("s3").get_object(Bucket=bucket, Key=key.rstrip("/"))["Body"].read()
    except ClientError as error:
        raise _InvalidRequestError(f"Could not find results: {location} ({error})") from error
    rows = parse_csv(body.decode())
    start = int(request.get("NextToken") or 0)
    page: dict[str, Any] = {
        "UpdateCount": 0,
        "ResultSet": {
            "ResultSetMetadata": {"ColumnInfo": execution["_columns"]},
            "Rows": [
                {"Data": [{} if value is None else {"VarCharValue": value} for value in row]}
                for row in rows[start : start + page_size]
            ],
        },
    }
    if start + page_size < len(rows):
        page["NextToken"] = str(start + page_size)
    return page


def _get_execution(request: dict[str, Any]) -> dict[str, Any]:
    query_id = request.get("QueryExecutionId", "")
    execution: dict[str, Any] | None = resolve(_ATHENA, "_executions").get(query_id)
    if execution is None:
        raise _InvalidRequestError(f"QueryExecution {query_id} was not found")
    return execution


_ACTIONS = {
    "StartQueryExecution": _start_query_execution,
    "StopQueryExecution": _stop_query_execution,
    "GetQueryResults": _get_query_results,
}
