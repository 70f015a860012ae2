"""The ledger's DynamoDB table: plain values in and out, conditional updates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from pipeline.aws.clients import client, error_code

_to_attribute = TypeSerializer().serialize
_from_attribute = TypeDeserializer().deserialize


class LedgerTable:
    """A DynamoDB table with the partition key `id`; numbers come back as Decimal."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get(self, item_id: str) -> dict[str, Any]:
        """The item as it is now; empty if there is none."""
        found = client("dynamodb").get_item(
            TableName=self.name, Key={"id": {"S": item_id}}, ConsistentRead=True
        )
        return _plain(found.get("Item", {}))

    def update(
        self,
        item_id: str,
        expression: str,
        condition: str,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> bool:
        """One conditional update, made if need be; false, and nothing changes, if it does not hold.

        `names` and `values` are what the two expressions' placeholders stand for.
        """
        attributes: dict[str, Any] = {}
        if names:
            attributes["ExpressionAttributeNames"] = dict(names)
        if values:
            attributes["ExpressionAttributeValues"] = {
                name: _to_attribute(value) for name, value in values.items()
            }
        try:
            client("dynamodb").update_item(
                TableName=self.name,
                Key={"id": {"S": item_id}},
                UpdateExpression=expression,
                ConditionExpression=condition,
                **attributes,
            )
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def items(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Every item whose id begins with the prefix; the table is small, so it is scanned."""
        pages = (
            client("dynamodb")
            .get_paginator("scan")
            .paginate(
                TableName=self.name,
                ConsistentRead=True,
                FilterExpression="begins_with(id, :prefix)",
                ExpressionAttributeValues={":prefix": {"S": prefix}},
            )
        )
        for page in pages:
            yield from (_plain(item) for item in page["Items"])


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _from_attribute(value) for name, value in item.items()}
