"""AWS in memory: as much of S3, DynamoDB, Step Functions, and SNS as intake and watchdog use.

It is about a thousand times faster than an emulator, so that many thousands of histories can be
tested. `test_memory.py` compares it with moto.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

from pipeline.clock import parse_utc, utc_now
from pipeline.ledger.table import LedgerTable
from tests.support.memory.expressions import Expression

OnCall = Callable[[str], None]
"""Called after each call, with the name of its operation. It can raise an error."""


def _client_error(code: str, operation: str) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {}}
    return ClientError(response, operation)


class MemoryTable(LedgerTable):
    """The ledger's table. Names and conditions are those of DynamoDB; all reads are consistent."""

    def __init__(self, on_call: OnCall) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self._on_call = on_call

    def get(self, key: str) -> dict[str, Any]:
        item = copy.deepcopy(self.items.get(key, {}))
        self._on_call("GetItem")
        return item

    def update(
        self,
        key: str,
        expression: str,
        condition: str,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> bool:
        item = copy.deepcopy(self.items.get(key, {}))
        is_true = Expression(condition, item, names or {}, values or {}).is_true()
        if is_true:
            Expression(expression, item, names or {}, copy.deepcopy(dict(values or {}))).update()
            self.items[key] = item | {"id": key}
        self._on_call("UpdateItem")
        return is_true

    def query_open(self, kind: str) -> Iterator[dict[str, Any]]:
        items = [copy.deepcopy(item) for item in self.items.values() if item.get("open") == kind]
        self._on_call("Query")
        yield from items


@dataclass
class _Version:
    version_id: str
    content: bytes | None  # None for a delete marker
    modified_at: datetime


class MemoryS3:
    """A bucket with versioning. Its clock is that of the pipeline."""

    def __init__(self, on_call: OnCall) -> None:
        self.objects: dict[str, list[_Version]] = {}
        self._on_call = on_call
        self._versions = count(1)

    def put(self, key: str, content: bytes | None) -> str:
        """Add a version, or a delete marker, and return its ID."""
        version_id = f"v{next(self._versions)}"
        versions = self.objects.setdefault(key, [])
        versions.append(_Version(version_id, content, parse_utc(utc_now())))
        return version_id

    def head_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        VersionId: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        versions = [
            version
            for version in self.objects.get(Key, [])
            if VersionId in (None, version.version_id)
        ]
        self._on_call("HeadObject")
        if not versions or versions[-1].content is None:
            raise _client_error("404", f"HeadObject {Bucket}")
        return {
            "VersionId": versions[-1].version_id,
            "LastModified": versions[-1].modified_at,
        }

    def get_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        VersionId: str | None = None,  # noqa: N803
        Range: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        versions = self.objects.get(Key, [])
        found = [item for item in versions if VersionId in (None, item.version_id)]
        self._on_call("GetObject")
        if not found or found[-1].content is None:
            raise _client_error("NoSuchVersion" if VersionId else "NoSuchKey", Bucket + Range)
        return {
            "Body": BytesIO(found[-1].content),
            "ContentLength": len(found[-1].content),
            "VersionId": found[-1].version_id,
            "LastModified": found[-1].modified_at,
        }

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_object_versions"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        versions = [
            {
                "Key": key,
                "VersionId": version.version_id,
                "IsLatest": version is versions[-1],
                "LastModified": version.modified_at,
            }
            for key, versions in self.objects.items()
            for version in versions
            if key.startswith(Prefix) and version.content is not None
        ]
        self._on_call(f"ListObjectVersions {Bucket}")
        yield {"Versions": versions}


class MemoryStepFunctions:
    """Executions that run until a test ends them."""

    def __init__(self, on_call: OnCall) -> None:
        self.executions: dict[str, dict[str, Any]] = {}
        self._on_call = on_call

    def start_execution(
        self,
        *,
        stateMachineArn: str,  # noqa: N803
        name: str,
        input: str,
    ) -> None:
        arn = f"{stateMachineArn.replace(':stateMachine:', ':execution:')}:{name}"
        existing = self.executions.get(arn)
        if existing is None:
            self.executions[arn] = {
                "executionArn": arn,
                "name": name,
                "status": "RUNNING",
                "input": input,
            }
        self._on_call("StartExecution")
        if existing and (existing["status"] != "RUNNING" or existing["input"] != input):
            raise _client_error("ExecutionAlreadyExists", "StartExecution")

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803
        self._on_call("DescribeExecution")
        if executionArn not in self.executions:
            raise _client_error("ExecutionDoesNotExist", "DescribeExecution")
        return dict(self.executions[executionArn])


class _EmptyPages:
    """A service without anything to list, except a confirmed subscription."""

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        yield {"Clusters": [], "Subscriptions": [{"SubscriptionArn": "arn:aws:sns:x"}]}


@dataclass
class MemoryEmailSender:
    """Records each email under its notification key, once."""

    on_call: OnCall
    emails: dict[str, str] = field(default_factory=dict)

    def send_once(self, notification_key: str, email: Any) -> bool:
        is_new = notification_key not in self.emails
        self.emails.setdefault(notification_key, email.subject)
        self.on_call("Publish")
        return is_new

    def send_within_budget(self, notification_key: str, email: Any, *_: Any, **__: Any) -> bool:
        return self.send_once(notification_key, email)


class MemoryAws:
    """The clients of one account, with the interface of `AwsClients`."""

    def __init__(self, on_call: OnCall) -> None:
        self.s3 = MemoryS3(on_call)
        self.stepfunctions = MemoryStepFunctions(on_call)
        self.emr = self.sns = _EmptyPages()
