"""The results of a run on the deployed stack: its emails, cluster, objects, and tables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from contract.datasets import DATASETS
from contract.layout import job_report_key
from tests.local.support.stack import Stack
from tests.support.events import load_event
from tests.support.waiting import wait_until

_QUERY_ENDED = {"SUCCEEDED", "FAILED", "CANCELLED"}


def get_run_id(execution: Mapping[str, Any]) -> str:
    """Return the run ID of an execution, given the response of DescribeExecution."""
    return str(execution["name"])


def list_keys(stack: Stack, prefix: str) -> list[str]:
    """Return the keys in the data bucket that begin with the prefix, in order."""
    pages = stack.client("s3").get_paginator("list_objects_v2")
    return [
        entry["Key"]
        for page in pages.paginate(Bucket=stack.bucket, Prefix=prefix)
        for entry in page.get("Contents", [])
    ]


def read_object(stack: Stack, key: str) -> bytes:
    """Return the content of an object in the data bucket."""
    content: bytes = stack.client("s3").get_object(Bucket=stack.bucket, Key=key)["Body"].read()
    return content


def read_job_report(stack: Stack, job: str, run_id: str) -> dict[str, Any]:
    """Return a job report without its run ID, after checking the run ID."""
    report: dict[str, Any] = json.loads(read_object(stack, job_report_key(job, run_id)))
    assert report.pop("run_id") == run_id
    return report


def list_publication_records(stack: Stack) -> list[str]:
    """Return the keys of the publication records, oldest first. The last one is the pointer."""
    return list_keys(stack, "published_runs/")


def find_emails(stack: Stack, batch: str) -> list[EmailMessage]:
    """Return the emails that name the batch, oldest first."""
    return [
        email
        for email in stack.read_emails()
        if f"raw/{batch}/" in get_body(email)
        or batch in re.findall(r"[\w.-]+", email["Subject"].partition(": ")[2])
    ]


def wait_for_only_email(stack: Stack, batch: str, timeout: float = 20.0) -> EmailMessage:
    """Wait for an email about a batch, and return it. There must not be more than one."""
    assert wait_until(lambda: bool(find_emails(stack, batch)), timeout), f"no email about {batch}"
    [email] = find_emails(stack, batch)
    return email


def get_body(email: EmailMessage) -> str:
    """Return the text of an email."""
    content: str = email.get_content()
    return content.replace("\r\n", "\n")


def get_cluster_id(stack: Stack, run_id: str) -> str:
    """Return the ID of a run's only cluster."""
    pages = stack.client("emr").get_paginator("list_clusters")
    [cluster_id] = [
        cluster["Id"]
        for page in pages.paginate()
        for cluster in page["Clusters"]
        if cluster["Name"] == f"{stack.name} {run_id}"
    ]
    return str(cluster_id)


def get_cluster_state(stack: Stack, cluster_id: str) -> str:
    """Return the current state of a cluster."""
    cluster = stack.client("emr").describe_cluster(ClusterId=cluster_id)["Cluster"]
    return str(cluster["Status"]["State"])


def get_step_states(stack: Stack, cluster_id: str) -> dict[str, str]:
    """Return the state of each step of a cluster, by the name of the step."""
    steps = stack.client("emr").list_steps(ClusterId=cluster_id)["Steps"]
    return {step["Name"]: step["Status"]["State"] for step in steps}


def find_step_files(stack: Stack, cluster_id: str, name: str) -> list[Path]:
    """Return the files with this name that the steps of a cluster have completely written."""
    files = (stack.cloud.folder / "emr" / cluster_id).glob(f"*/{name}")
    return [file for file in files if file.read_text().endswith("\n")]


def query(stack: Stack, sql: str) -> list[dict[str, str | None]]:
    """Run a query in the deployed workgroup, and check that its result is stored in S3.

    Returns:
        The rows, each as text by column name.
    """
    athena = stack.client("athena")
    query_id = athena.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": stack.outputs["DatabaseName"]},
        WorkGroup=stack.outputs["WorkgroupName"],
    )["QueryExecutionId"]

    def get_status() -> dict[str, Any]:
        response: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query_id)
        return dict(response["QueryExecution"]["Status"])

    assert wait_until(lambda: get_status()["State"] in _QUERY_ENDED, 20), get_status()
    assert get_status()["State"] == "SUCCEEDED", get_status()
    assert any(query_id in key for key in list_keys(stack, "athena_results/"))
    header, *rows = [
        [value.get("VarCharValue") for value in row["Data"]]
        for page in athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
        for row in page["ResultSet"]["Rows"]
    ]
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def select_run(table: str, run_id: str) -> str:
    """Return the SQL for a run's rows of a table, published or not."""
    return f"SELECT * FROM history_{table} WHERE run_id = '{run_id}'"  # noqa: S608 - no user input


def notify_watchdog(stack: Stack, execution: Mapping[str, Any]) -> None:
    """Invoke the watchdog with the event that EventBridge sends when an execution ends."""
    event = load_event("status_aborted")
    required = ("executionArn", "stateMachineArn", "name", "status", "input")
    event["detail"] |= {name: execution[name] for name in required}
    event["detail"] |= {name: execution.get(name) for name in ("error", "cause")}
    invoke_function(stack, "WatchdogFunction", event)


def invoke_function(stack: Stack, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Invoke a function, a logical ID, and return its result. The function must not fail."""
    response = stack.client("lambda").invoke(
        FunctionName=stack.get_physical_id(function), Payload=json.dumps(event)
    )
    payload = response["Payload"].read()
    assert "FunctionError" not in response, payload
    return dict(json.loads(payload) or {})


def repeat_run(stack: Stack, execution: Mapping[str, Any]) -> dict[str, Any]:
    """Start an ended execution again, as its email describes, and wait until it has ended."""
    response = stack.client("stepfunctions").start_execution(
        stateMachineArn=stack.state_machine_arn,
        name=f"{get_run_id(execution)}-2",
        input=execution["input"],
    )
    return stack.wait_for_execution(response["executionArn"])


def get_pinned_versions(execution: Mapping[str, Any]) -> set[str]:
    """Return the versions of the four files in the input of an execution."""
    files = json.loads(execution["input"])["files"]
    assert len(files) == len(DATASETS)
    return {file["version_id"] for file in files}
