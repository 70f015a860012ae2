"""Tests of the condition key `dynamodb:LeadingKeys`, which limits a role to some items of a table.

The role of the tests may read and write the items whose partition key begins with `own#`. It may
read and check, but not write, the item `shared`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local import ACCOUNT, REGION
from local.cloud import Cloud
from tests.local.support.roles import assume_role_with_policy

TABLE = "leading-keys"
INDEX = "by-owner"
ARN = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}"
READ = ["GetItem", "BatchGetItem", "Query", "Scan", "ConditionCheckItem"]
WRITE = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"]

Call = Callable[[Any, str], Any]


def to_key(key: str) -> dict[str, Any]:
    return {"id": {"S": key}}


def query(dynamodb: Any, name: str, key: str, **arguments: Any) -> Any:
    return dynamodb.query(
        TableName=TABLE,
        KeyConditionExpression=f"{name} = :key",
        ExpressionAttributeValues={":key": {"S": key}},
        **arguments,
    )


def transact(dynamodb: Any, *items: dict[str, Any]) -> Any:
    return dynamodb.transact_write_items(
        TransactItems=[
            {action: {"TableName": TABLE, **arguments} for action, arguments in item.items()}
            for item in items
        ]
    )


OPERATIONS: dict[str, Call] = {
    "GetItem": lambda client, key: client.get_item(TableName=TABLE, Key=to_key(key)),
    "GetItem by ARN": lambda client, key: client.get_item(TableName=ARN, Key=to_key(key)),
    "PutItem": lambda client, key: client.put_item(TableName=TABLE, Item=to_key(key)),
    "UpdateItem": lambda client, key: client.update_item(TableName=TABLE, Key=to_key(key)),
    "DeleteItem": lambda client, key: client.delete_item(TableName=TABLE, Key=to_key(key)),
    "Query": lambda client, key: query(client, "id", key),
    "Query with a placeholder": lambda client, key: query(
        client, "#id", key, ExpressionAttributeNames={"#id": "id"}
    ),
    "Query with KeyConditions": lambda client, key: client.query(
        TableName=TABLE,
        KeyConditions={"id": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": key}]}},
    ),
    "Query of an index": lambda client, key: query(client, "owner", key, IndexName=INDEX),
    "BatchGetItem": lambda client, key: client.batch_get_item(
        RequestItems={TABLE: {"Keys": [to_key("own#2"), to_key(key)]}}
    ),
    "BatchWriteItem with a put": lambda client, key: client.batch_write_item(
        RequestItems={TABLE: [{"PutRequest": {"Item": to_key(key)}}]}
    ),
    "BatchWriteItem with a delete": lambda client, key: client.batch_write_item(
        RequestItems={TABLE: [{"DeleteRequest": {"Key": to_key(key)}}]}
    ),
    "TransactGetItems": lambda client, key: client.transact_get_items(
        TransactItems=[{"Get": {"TableName": TABLE, "Key": to_key(key)}}]
    ),
    "TransactWriteItems with a put": lambda client, key: transact(
        client, {"Put": {"Item": to_key("own#2")}}, {"Put": {"Item": to_key(key)}}
    ),
    "TransactWriteItems with an update": lambda client, key: transact(
        client, {"Update": {"Key": to_key(key), "UpdateExpression": "REMOVE a"}}
    ),
    "TransactWriteItems with a check": lambda client, key: transact(
        client,
        {
            "ConditionCheck": {
                "Key": to_key(key),
                "ConditionExpression": "attribute_not_exists(color)",
            }
        },
    ),
}


@pytest.fixture(scope="module")
def role(cloud: Cloud) -> Any:
    """A DynamoDB client whose role is limited to its own items."""
    cloud.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("id", "owner")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": INDEX,
                "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    resources = [ARN, f"{ARN}/index/*"]
    statements = [
        {
            "Effect": "Allow",
            "Action": [f"dynamodb:{action}" for action in actions],
            "Resource": resources,
            "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}},
        }
        for actions, keys in ((READ, ["own#*", "shared"]), (WRITE, ["own#*"]))
    ]
    policy = {"Version": "2012-10-17", "Statement": statements}
    return assume_role_with_policy(cloud, policy)("dynamodb")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_role_is_limited_to_its_own_items(role: Any, operation: str) -> None:
    OPERATIONS[operation](role, "own#1")
    for key in ("other", "not own#1"):
        with pytest.raises(ClientError, match="AccessDeniedException"):
            OPERATIONS[operation](role, key)


def test_conditions_of_actions_are_independent(role: Any) -> None:
    OPERATIONS["GetItem"](role, "shared")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        OPERATIONS["PutItem"](role, "shared")


def test_items_of_a_transaction_are_authorized_one_by_one(role: Any) -> None:
    """The write and the check are allowed by two statements, and neither allows both items."""
    check = {"Key": to_key("shared"), "ConditionExpression": "attribute_not_exists(color)"}
    transact(role, {"Put": {"Item": to_key("own#1")}}, {"ConditionCheck": check})
    with pytest.raises(ClientError, match="dynamodb:PutItem"):
        transact(role, {"Put": {"Item": to_key("shared")}})


def test_scan_names_no_items(role: Any) -> None:
    """As on AWS: a policy that limits items must not allow Scan."""
    role.scan(TableName=TABLE)
