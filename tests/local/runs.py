"""What became of a batch on the deployed stack: its mails, cluster, objects, and answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from contract.datasets import DATASETS
from contract.layout import job_report_key
from tests.local.stack import Stack
from tests.support.events import load_event
from tests.support.waiting import wait_until

_OVER = {"SUCCEEDED", "FAILED", "CANCELLED"}


def run_id_of(execution: Mapping[str, Any]) -> str:
    """The run that an execution, as DescribeExecution has it, stands for."""
    return str(execution["name"])


def keys(stack: Stack, prefix: str) -> list[str]:
    """The keys in the data bucket that begin with the prefix, in order."""
    pages = stack.client("s3").get_paginator("list_objects_v2")
    return [
        entry["Key"]
        for page in pages.paginate(Bucket=stack.bucket, Prefix=prefix)
        for entry in page.get("Contents", [])
    ]


def read(stack: Stack, key: str) -> bytes:
    """An object of the data bucket."""
    content: bytes = stack.client("s3").get_object(Bucket=stack.bucket, Key=key)["Body"].read()
    return content


def read_report(stack: Stack, job: str, run_id: str) -> dict[str, Any]:
    """What a job counted, without the run's id, which is checked."""
    found: dict[str, Any] = json.loads(read(stack, job_report_key(job, run_id)))
    assert found.pop("run_id") == run_id
    return found


def pointers(stack: Stack) -> list[str]:
    """The pointer's objects, the newest last."""
    return keys(stack, "published_runs/")


def mails_about(stack: Stack, batch: str) -> list[EmailMessage]:
    """The mails that name the batch, in the order they came."""
    return [mail for mail in stack.mails() if f"raw/{batch}/" in body(mail)]


def only_mail(stack: Stack, batch: str, limit: float = 20.0) -> EmailMessage:
    """The one mail about the batch, once it is there."""
    assert wait_until(lambda: bool(mails_about(stack, batch)), limit), f"no mail about {batch}"
    [mail] = mails_about(stack, batch)
    return mail


def body(mail: EmailMessage) -> str:
    """The mail's text."""
    content: str = mail.get_content()
    return content.replace("\r\n", "\n")


def cluster_of(stack: Stack, run_id: str) -> str:
    """The id of the one cluster that the run had."""
    pages = stack.client("emr").get_paginator("list_clusters")
    [found] = [
        cluster["Id"]
        for page in pages.paginate()
        for cluster in page["Clusters"]
        if cluster["Name"] == f"{stack.name} {run_id}"
    ]
    return str(found)


def cluster_state(stack: Stack, cluster_id: str) -> str:
    """The cluster's state now."""
    found = stack.client("emr").describe_cluster(ClusterId=cluster_id)["Cluster"]
    return str(found["Status"]["State"])


def steps(stack: Stack, cluster_id: str) -> dict[str, str]:
    """The state of each of the cluster's steps, by name."""
    listed = stack.client("emr").list_steps(ClusterId=cluster_id)["Steps"]
    return {step["Name"]: step["Status"]["State"] for step in listed}


def marks(stack: Stack, cluster_id: str, name: str) -> list[Path]:
    """The files of that name that the cluster's steps have written whole into their folders."""
    found = (stack.cloud.folder / "emr" / cluster_id).glob(f"*/{name}")
    return [file for file in found if file.read_text().endswith("\n")]


def ask(stack: Stack, sql: str) -> list[dict[str, str | None]]:
    """What Athena answers, as its texts, in the deployed workgroup; its result file is checked."""
    athena = stack.client("athena")
    query = athena.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": stack.outputs["DatabaseName"]},
        WorkGroup=stack.outputs["WorkgroupName"],
    )["QueryExecutionId"]

    def status() -> dict[str, Any]:
        found: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query)
        return dict(found["QueryExecution"]["Status"])

    assert wait_until(lambda: status()["State"] in _OVER, 20), status()
    assert status()["State"] == "SUCCEEDED", status()
    assert any(query in key for key in keys(stack, "athena_results/"))
    rows = [
        [value.get("VarCharValue") for value in row["Data"]]
        for page in athena.get_paginator("get_query_results").paginate(QueryExecutionId=query)
        for row in page["ResultSet"]["Rows"]
    ]
    return [dict(zip(map(str, rows[0]), row, strict=True)) for row in rows[1:]]


def of_run(table: str, run_id: str) -> str:
    """The SQL for a run's rows of a table, published or not."""
    return f"SELECT * FROM history_{table} WHERE run_id = '{run_id}'"  # noqa: S608 - our own names


def tell_watchdog(stack: Stack, execution: Mapping[str, Any]) -> None:
    """Tell the watchdog of an execution's end, as EventBridge does, and wait until it is done."""
    event = load_event("status_aborted")
    same = ("executionArn", "stateMachineArn", "name", "status", "input")
    event["detail"] |= {name: execution[name] for name in same}
    event["detail"] |= {name: execution.get(name) for name in ("error", "cause")}
    invoke(stack, "WatchdogFunction", event)


def invoke(stack: Stack, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Hand an event to a function, a logical id; its answer, which has to be no error."""
    answer = stack.client("lambda").invoke(
        FunctionName=stack.physical(function), Payload=json.dumps(event)
    )
    payload = answer["Payload"].read()
    assert "FunctionError" not in answer, payload
    return dict(json.loads(payload) or {})


def run_again(stack: Stack, execution: Mapping[str, Any]) -> dict[str, Any]:
    """Start an ended execution's input again, as its mail says; the new one when it is over."""
    started = stack.client("stepfunctions").start_execution(
        stateMachineArn=stack.machine,
        name=f"{run_id_of(execution)}-2",
        input=execution["input"],
    )
    return stack.wait_for_end(started["executionArn"])


def pinned_versions(execution: Mapping[str, Any]) -> set[str]:
    """The versions of the four files that an execution was started with."""
    files = json.loads(execution["input"])["files"]
    assert len(files) == len(DATASETS)
    return {file["version_id"] for file in files}
