"""Access to the ledger's DynamoDB table, with Python values and conditional updates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from pipeline.aws.clients import error_code
from pipeline.ledger.keys import OPEN, OPEN_ITEMS

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_MAX_KEYS = 100  # of one BatchGetItem call
_to_attribute = TypeSerializer().serialize
_from_attribute = TypeDeserializer().deserialize


class LedgerTable:
    """A DynamoDB table with the partition key `id`. Numbers are returned as Decimal."""

    def __init__(self, dynamodb: DynamoDBClient, name: str) -> None:
        self.dynamodb = dynamodb
        self.name = name

    def get(self, key: str) -> dict[str, Any]:
        """Return the item with a key, or an empty dictionary if there is none."""
        response = self.dynamodb.get_item(
            TableName=self.name, Key={"id": {"S": key}}, ConsistentRead=True
        )
        return _parse_item(response.get("Item", {}))

    def get_many(self, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the items with these keys, by key. Keys without an item are left out.

        Reads items as they were a moment ago, for people who look at many of them.
        """
        items = {}
        for first in range(0, len(keys), _MAX_KEYS):
            pending: list[Any] = [{"id": {"S": key}} for key in keys[first : first + _MAX_KEYS]]
            while pending:
                # DynamoDB returns some keys unprocessed if the items exceed 16 MB, or if it is
                # throttled (API Reference, "BatchGetItem").
                response = self.dynamodb.batch_get_item(RequestItems={self.name: {"Keys": pending}})
                for item in map(_parse_item, response["Responses"].get(self.name, [])):
                    items[item["id"]] = item
                unprocessed = response.get("UnprocessedKeys", {}).get(self.name)
                pending = list(unprocessed["Keys"]) if unprocessed else []
        return items

    def update(
        self,
        key: str,
        expression: str,
        condition: str,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> bool:
        """Update an item, or create it, if a condition is true.

        Args:
            key: Key of the item.
            expression: The update expression.
            condition: The condition expression.
            names: Attribute names by their placeholders in the expressions, such as `#status`.
            values: Python values by their placeholders in the expressions, such as `:status`.

        Returns:
            Whether the condition was true, so that the item has changed.
        """
        attributes: dict[str, Any] = {}
        if names:
            attributes["ExpressionAttributeNames"] = dict(names)
        if values:
            attributes["ExpressionAttributeValues"] = {
                name: _to_attribute(value) for name, value in values.items()
            }
        try:
            self.dynamodb.update_item(
                TableName=self.name,
                Key={"id": {"S": key}},
                UpdateExpression=expression,
                ConditionExpression=condition,
                **attributes,
            )
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def query_open(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield every open item of a kind, from the index of open items.

        The index is updated shortly after the items, usually within a second (Amazon DynamoDB
        Developer Guide, "Global secondary indexes", "Data synchronization").

        Args:
            kind: `OPEN_BATCH` or `OPEN_RUN`.
        """
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.name,
            IndexName=OPEN_ITEMS,
            KeyConditionExpression="#open = :kind",
            ExpressionAttributeNames={"#open": OPEN},
            ExpressionAttributeValues={":kind": {"S": kind}},
        )
        for page in pages:
            yield from (_parse_item(item) for item in page["Items"])


def _parse_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _from_attribute(value) for name, value in item.items()}
