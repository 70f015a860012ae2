"""The condition key `dynamodb:LeadingKeys`: the partition keys of the items that a request names.

MiniStack does not supply the key, and `ForAllValues` is true for a missing key, so a policy that
limits a role to some items would allow all of them.

DynamoDB supplies the partition keys of all items of a request, which is why a condition needs
`ForAllValues` (DynamoDB Developer Guide, "Using IAM policy conditions for fine-grained access
control"). It authorizes each item of a transaction on its own, as the action on this item (ibid.,
"Using IAM with DynamoDB transactions"). A Scan names no item, so a condition on the key does not
limit it on AWS either.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

from local.extensions.patching.patches import replace, resolve

_IAM_ACTIONS = "ministack.core.iam_actions"
_DYNAMODB = "ministack.services.dynamodb"

_originals: dict[str, Callable[..., Any]] = {}


class ItemsArn(str):
    """The ARN of a table or an index, with the partition keys of the items that are accessed.

    MiniStack passes the ARN from where it reads a request to where it authorizes it, but nothing
    else that differs between the tables and items of one request.

    Attributes:
        leading_keys: The partition keys, as text. Empty if the request names none.
    """

    __slots__ = ("leading_keys",)
    leading_keys: list[str]

    def __new__(cls, arn: str, leading_keys: Iterable[str]) -> Self:
        """Create an ARN with partition keys."""
        instance = super().__new__(cls, arn)
        instance.leading_keys = list(leading_keys)
        return instance


def install() -> None:
    """Add the partition keys to the ARNs that MiniStack authorizes for a DynamoDB request."""
    _originals["resources"] = replace(
        _IAM_ACTIONS,
        "dynamodb_resource_arns",
        _get_resource_arns,
        ("body", "region", "account_id"),
    )
    _originals["transaction"] = replace(
        _IAM_ACTIONS,
        "dynamodb_transaction_checks",
        _get_transaction_checks,
        ("iam_action", "body", "region", "account_id"),
    )


def get_leading_keys_context(resource_arn: str) -> dict[str, list[str]]:
    """Return the condition key for the resource of a request, or nothing if it has no value."""
    keys = resource_arn.leading_keys if isinstance(resource_arn, ItemsArn) else []
    return {"dynamodb:LeadingKeys": keys} if keys else {}


def _get_resource_arns(body: bytes, region: str, account_id: str) -> list[str]:
    arns: list[str] = _originals["resources"](body, region, account_id)
    request = json.loads(body) if arns else {}
    if request.get("TableName"):
        return [ItemsArn(arn, _find_keys(request)) for arn in arns]
    # A batch: MiniStack returns one ARN for each table, in the order of the request.
    batches = [(name, batch) for name, batch in request.get("RequestItems", {}).items() if name]
    return [
        ItemsArn(arn, _find_batch_keys(name, batch))
        for arn, (name, batch) in zip(arns, batches, strict=True)
    ]


def _get_transaction_checks(
    iam_action: str, body: bytes, region: str, account_id: str
) -> list[tuple[str, str]]:
    """Return the action and the table of each item, with the partition key of the item."""
    get_checks: Callable[..., list[tuple[str, str]]] = _originals["transaction"]
    if not get_checks(iam_action, body, region, account_id):
        return []
    checks: list[tuple[str, str]] = []
    for item in _list_objects(json.loads(body)["TransactItems"]):
        # One item at a time, to know which checks belong to it.
        single = json.dumps({"TransactItems": [item]}).encode()
        keys = [key for access in _list_objects(item.values()) for key in _find_keys(access)]
        for action, arn in get_checks(iam_action, single, region, account_id):
            checks.append((action, ItemsArn(arn, keys)))
    return checks


def _find_keys(request: Mapping[str, Any]) -> list[str]:
    """Return the partition keys of a request, or of an item of a transaction, for one table."""
    items = [request.get("Key"), request.get("Item")]
    return [*_find_item_keys(request.get("TableName"), items), *_find_query_keys(request)]


def _find_batch_keys(table: str, batch: Any) -> list[str]:
    """Return the partition keys of the part of a BatchGetItem or BatchWriteItem for one table."""
    if isinstance(batch, dict):
        return list(_find_item_keys(table, batch.get("Keys") or []))
    writes = [write for entry in _list_objects(batch) for write in _list_objects(entry.values())]
    items = [write.get(name) for write in writes for name in ("Item", "Key")]
    return list(_find_item_keys(table, items))


def _find_item_keys(table: Any, items: Iterable[Any]) -> Iterator[str]:
    for name in _get_key_names(table):
        for item in _list_objects(items):
            if name in item:
                yield _to_text(item[name])


def _find_query_keys(request: Mapping[str, Any]) -> Iterator[str]:
    """Yield the value that a Query requires for each partition key of the table or index."""
    find_in_expression = resolve(
        _DYNAMODB,
        "_extract_pk_from_condition",
        ("condition", "attr_values", "attr_names", "pk_name"),
    )
    find_in_conditions = resolve(
        _DYNAMODB, "_extract_pk_from_key_conditions", ("key_conditions", "pk_name")
    )
    for name in _get_key_names(request.get("TableName"), request.get("IndexName")):
        values = request.get("ExpressionAttributeValues") or {}
        names = request.get("ExpressionAttributeNames") or {}
        for key in (
            find_in_expression(request.get("KeyConditionExpression"), values, names, name),
            find_in_conditions(request.get("KeyConditions") or {}, name),
        ):
            if key is not None:
                yield str(key)


def _get_key_names(table: Any, index: str | None = None) -> list[str]:
    """Return the names of the partition keys; only an index can have several of them.

    Args:
        table: Name or ARN of the table.
        index: Name of an index.
    """
    # An ARN ends with the table's name: arn:aws:dynamodb:<region>:<account>:table/<name>
    name = str(table).rpartition("table/")[2]
    definition = resolve(_DYNAMODB, "_tables").get(name)
    if definition is None:
        return []
    if index is None:
        return [definition["pk_name"]]
    find_index = resolve(_DYNAMODB, "_index_def", ("table", "index_name"))
    schema = (find_index(definition, index) or {}).get("KeySchema", [])
    return [key["AttributeName"] for key in schema if key["KeyType"] == "HASH"]


def _list_objects(values: Any) -> list[dict[str, Any]]:
    """Return the JSON objects among values; DynamoDB rejects others after the authorization."""
    return [value for value in values or () if isinstance(value, dict)]


def _to_text(attribute: Any) -> str:
    return str(resolve(_DYNAMODB, "_extract_key_val", ("attr",))(attribute))
