"""Search everything that a deployed stack has written for a text."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import duckdb

from tests.local.support.runs import get_body, query
from tests.local.support.stack import Stack

# The emulator keeps the objects and the items in these folders. They are searched through its API.
_STORE_FOLDERS = {"s3", "state"}


@dataclass
class Search:
    """The search for a text, in any case, or encoded.

    Attributes:
        text: The text: letters and digits only, so that URLs, JSON, and CSV contain it as it is.
        searched: The number of searched things of each kind.
        found: The things that contain the text, as `<kind>: <name>`.
    """

    text: str
    searched: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)
    _objects: set[bytes] = field(default_factory=set)

    def search_everything(self, stack: Stack, tables: list[str]) -> None:
        """Search all places of a stack.

        Args:
            stack: The stack, on a local cloud that has no other.
            tables: The tables and views whose rows are searched.
        """
        self._search_objects(stack)
        for table in tables:  # the names come from the contract
            self._look("table in Athena", table, query(stack, f"SELECT * FROM {table}"))  # noqa: S608
        for number, email in enumerate(stack.read_emails()):
            self._look("email", f"{number} {email['Subject']}", _format_email(email))
        for group, stream, event in _iterate_log_events(stack):
            self._look("log event", f"{group} {stream} {event['timestamp']}", event)
        for table, item in _iterate_items(stack):
            self._look("ledger item", f"{table} {item.get('id')}", item)
        for arn, description, events in _iterate_executions(stack):
            self._look("execution", arn, description)
            for event in events:
                self._look("event of an execution", f"{arn} {event['id']}", event)
        for name, step in _iterate_steps(stack):
            self._look("step", name, step)
        for name, message in _iterate_messages(stack):
            self._look("message in a queue", name, message)
        for name, description in _iterate_catalog(stack):
            self._look("table in the catalog", name, description)
        self._search_files(stack.cloud.folder)

    def _search_objects(self, stack: Stack) -> None:
        """Search all versions of all objects in all buckets."""
        s3 = stack.client("s3")
        for bucket in s3.list_buckets()["Buckets"]:
            pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket["Name"])
            for version in (version for page in pages for version in page.get("Versions", [])):
                response = s3.get_object(
                    Bucket=bucket["Name"], Key=version["Key"], VersionId=version["VersionId"]
                )
                content = response["Body"].read()
                self._objects.add(_digest(content))
                self._look("object", version["Key"], content)
                self._look("object metadata", version["Key"], response["Metadata"])

    def _search_files(self, folder: Path) -> None:
        """Search the files of the local cloud, such as the log of its server.

        The local cloud keeps copies of objects for the steps. They were searched as objects.
        """
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if not path.is_file() or name.parts[0] in _STORE_FOLDERS:
                continue
            content = path.read_bytes()
            if _digest(content) not in self._objects:
                self._look("file of the local cloud", name.as_posix(), content)

    def _look(self, kind: str, name: str, content: object) -> None:
        self.searched[kind] += 1
        data = content if isinstance(content, bytes) else json.dumps(content, default=str).encode()
        if contains(decode(data), self.text) or self.text in name.lower():
            self.found.append(f"{kind}: {name}")


def decode(content: bytes) -> bytes:
    """Return what a reader of the content sees: decompressed, and the rows of Parquet as text."""
    if content.startswith(b"\x1f\x8b"):
        return gzip.decompress(content)
    if content.startswith(b"PAR1"):
        return content + _format_parquet(content)
    return content


def contains(content: bytes, text: str) -> bool:
    """Return whether the content contains a text in lowercase, in any case, or encoded.

    Texts in UTF-8 and UTF-16, hexadecimal digits, and Base64 are found, at any position.
    """
    lowercase = content.lower()
    encoded = [text.encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be")]
    encoded.append(text.encode().hex().encode())
    return any(part in lowercase for part in encoded) or any(
        part in content for part in _iterate_base64(text)
    )


def _iterate_base64(text: str) -> Iterator[bytes]:
    """Yield what Base64 makes of the text at each position, without what depends on its context."""
    for position in range(3):
        data = bytes(position) + text.encode()
        first, last = -(-8 * position // 6), 8 * len(data) // 6
        yield b64encode(data)[first:last]


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _format_parquet(content: bytes) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file, duckdb.connect() as database:
        file.write(content)
        file.flush()
        table = database.read_parquet(file.name)
        return repr([table.columns, *table.fetchall()]).encode()


def _format_email(email: EmailMessage) -> str:
    return "\n".join([*(f"{name}: {value}" for name, value in email.items()), get_body(email)])


def _iterate_log_events(stack: Stack) -> Iterator[tuple[str, str, dict[str, Any]]]:
    logs = stack.client("logs")
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            name = group["logGroupName"]
            for events in logs.get_paginator("filter_log_events").paginate(logGroupName=name):
                for event in events["events"]:
                    yield name, event["logStreamName"], event


def _iterate_items(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    dynamodb = stack.client("dynamodb")
    for table in dynamodb.list_tables()["TableNames"]:
        for page in dynamodb.get_paginator("scan").paginate(TableName=table):
            for item in page["Items"]:
                yield table, item


def _iterate_executions(
    stack: Stack,
) -> Iterator[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    stepfunctions = stack.client("stepfunctions")
    pages = stepfunctions.get_paginator("list_executions")
    for page in pages.paginate(stateMachineArn=stack.state_machine_arn):
        for execution in page["executions"]:
            arn = execution["executionArn"]
            history = stepfunctions.get_paginator("get_execution_history")
            events = [
                event for part in history.paginate(executionArn=arn) for event in part["events"]
            ]
            yield arn, stack.describe_execution(arn), events


def _iterate_steps(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    emr = stack.client("emr")
    for page in emr.get_paginator("list_clusters").paginate():
        for cluster in page["Clusters"]:
            for step in emr.list_steps(ClusterId=cluster["Id"])["Steps"]:
                description = emr.describe_step(ClusterId=cluster["Id"], StepId=step["Id"])
                yield f"{cluster['Id']} {step['Name']}", description


def _iterate_messages(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    sqs = stack.client("sqs")
    for url in sqs.list_queues().get("QueueUrls", []):
        response = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=0
        )
        for message in response.get("Messages", []):
            yield url, message


def _iterate_catalog(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    glue, database = stack.client("glue"), stack.outputs["DatabaseName"]
    for page in glue.get_paginator("get_tables").paginate(DatabaseName=database):
        for table in page["TableList"]:
            yield table["Name"], table
