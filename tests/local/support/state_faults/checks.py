"""What must be left of runs with faults after one sweep of the watchdog."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from tests.local.support.runs import find_emails, get_body
from tests.local.support.stack import Stack
from tests.local.support.state_faults.faults import AFTER, EXECUTION_TIMEOUT
from tests.local.support.state_faults.runner import Run
from tests.support.waiting import wait_until

_FAILURE_SUBJECTS = ("Rental KPIs failed", "Rental KPIs aborted", "Rental KPIs timed out")
_RECORD_PUBLISHED = "RecordPublished"
_AFTER_PUBLICATION = "The run failed after it was published."
_TERMINATED = {"TERMINATED", "TERMINATED_WITH_ERRORS"}
_TERMINATION_TIMEOUT = 30.0  # seconds


def find_problems(stack: Stack, run: Run) -> list[str]:
    """Return what is not as it has to be after a sweep."""
    return [
        f"{run.case.fault.label}: {problem}"
        for problems in (
            _find_execution_problems(run),
            _find_cluster_problems(stack, run),
            _find_ledger_problems(stack, run),
            _find_email_problems(stack, run),
        )
        for problem in problems
    ]


def is_published(stack: Stack, run: Run) -> bool:
    """Return whether a publication record names the run."""
    pages = stack.client("s3").get_paginator("list_objects_v2")
    return any(
        run.run_id in entry["Key"] and entry["Size"]
        for page in pages.paginate(Bucket=stack.bucket, Prefix="published_runs/")
        for entry in page.get("Contents", ())
    )


def count_clusters_left(stack: Stack, run: Run) -> int:
    """Return how many clusters of a run are not terminated."""
    return sum(state not in _TERMINATED for state in list_clusters(stack, run).values())


def list_clusters(stack: Stack, run: Run) -> dict[str, str]:
    """Return the states of the clusters of a run, by their IDs."""
    pages = stack.client("emr").get_paginator("list_clusters").paginate()
    return {
        cluster["Id"]: cluster["Status"]["State"]
        for page in pages
        for cluster in page["Clusters"]
        if cluster["Name"] == f"{stack.name} {run.run_id}"
    }


def is_failure(email: EmailMessage) -> bool:
    """Return whether an email reports the failure of a run."""
    return str(email["Subject"]).startswith(_FAILURE_SUBJECTS)


def _find_execution_problems(run: Run) -> Iterator[str]:
    for fault in run.case.faults:
        if fault.label not in run.injected:
            yield f"{fault.label} was not injected"
    status = run.execution["status"]
    if status != run.case.execution_status:
        yield f"the execution is {status}: {run.execution.get('cause')}"


def _find_cluster_problems(stack: Stack, run: Run) -> Iterator[str]:
    def are_terminated() -> bool:
        return set(list_clusters(stack, run).values()) <= _TERMINATED

    if not wait_until(are_terminated, _TERMINATION_TIMEOUT):
        yield f"clusters are left: {list_clusters(stack, run)}"


def _is_failure_expected(run: Run) -> bool:
    """Return whether the end of the run must be reported as a failure."""
    # If only the record of the publication is missing, the run is published and valid.
    cause = str(run.execution.get("cause", ""))
    is_only_unrecorded = run.execution["status"] == "FAILED" and cause.startswith(
        f"{_RECORD_PUBLISHED}: "
    )
    return not is_only_unrecorded and run.execution["status"] != "SUCCEEDED"


def _has_called(run: Run, state: str, next_state: str) -> bool:
    """Return whether the call of a state took effect, if only the next state follows it."""
    fault = run.case.fault
    return (
        run.execution["status"] == "SUCCEEDED"
        or fault.state == next_state
        or (fault.state == state and fault.moment == AFTER)
    )


def _get_expected_status(stack: Stack, run: Run) -> str:
    """Return the status that the ledger must have for the run."""
    is_recorded = _has_called(run, _RECORD_PUBLISHED, "")
    if _is_failure_expected(run) and not is_recorded:
        return "FAILED"
    return "PUBLISHED" if is_published(stack, run) else "SUPERSEDED"


def _find_ledger_problems(stack: Stack, run: Run) -> Iterator[str]:
    item = _get_item(stack, f"run/{run.run_id}")
    if not item:
        yield "the ledger has no item of the run"
        return
    expected = _get_expected_status(stack, run)
    if item["status"] != expected:
        yield f"the ledger has the status {item['status']} instead of {expected}"
    if item.get("batch") != f"raw/{run.batch}/":
        yield f"the ledger has the batch {item.get('batch')}"
    required = {"claimed_at", "ended_at", "execution_arn", "expiration"}
    required |= {"error", "cause"} if item["status"] == "FAILED" else set()
    if missing := required - item.keys():
        yield f"the ledger lacks {sorted(missing)}"
    if "open" in item:
        yield "the item of the run is still open"
    if item["status"] == "FAILED" and not _names_cause(run, item["cause"]):
        yield f"the ledger does not name the cause: {item['cause']}"
    if run.run_id in _get_item(stack, "run_slots").get("runs", ()):
        yield "the run still has a slot"
    if _get_item(stack, f"batch/raw/{run.batch}/").get("claimed_runs"):
        yield "the batch still has claimed runs"


def _find_email_problems(stack: Stack, run: Run) -> Iterator[str]:
    emails = find_emails(stack, run.batch)
    failures = [email for email in emails if is_failure(email)]
    results = len(emails) - len(failures)
    if len(failures) != _is_failure_expected(run):
        yield f"{len(failures)} emails about the failure: {[e['Subject'] for e in failures]}"
    if results != _has_called(run, "PublishResults", _RECORD_PUBLISHED):
        yield f"{results} emails about results"
    for body in map(get_body, failures):
        if not _names_cause(run, _unwrap(body)):
            yield f"the email does not name the cause: {body}"
        if (_AFTER_PUBLICATION in body) != is_published(stack, run):
            yield f"the email does not say whether the run was published: {body}"


def _unwrap(body: str) -> str:
    """Return the text of an email without the breaks of its lines and the signs of quotations."""
    return " ".join(line.removeprefix("> ") for line in body.splitlines())


def _names_cause(run: Run, text: str) -> bool:
    """Return whether a text names the cause of one of the faults of a run."""
    causes = [
        "The execution timed out." if fault.kind == EXECUTION_TIMEOUT else fault.cause
        for fault in run.case.faults
    ]
    return any(cause in text for cause in causes)


def _get_item(stack: Stack, key: str) -> dict[str, Any]:
    response = stack.client("dynamodb").get_item(
        TableName=stack.outputs["LedgerTableName"], Key={"id": {"S": key}}, ConsistentRead=True
    )
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in response.get("Item", {}).items()}
