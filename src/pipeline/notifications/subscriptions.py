"""Whether anybody gets the mails at all."""

from __future__ import annotations

from pipeline.aws.clients import client
from pipeline.ledger.table import LedgerTable

_ITEM = "subscription"


def is_confirmed(topic_arn: str) -> bool:
    """Whether a subscription of the topic is confirmed: the others have no ARN but a word."""
    pages = client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    return any(
        subscription["SubscriptionArn"].startswith("arn:")
        for page in pages
        for subscription in page["Subscriptions"]
    )


class UnconfirmedSubscription:
    """The ledger's note of since when nobody has confirmed, so that it is told once a time."""

    def __init__(self, table: str) -> None:
        self._table = LedgerTable(table)

    def begin(self, now: str) -> bool:
        """Note that nobody has; whether that is new."""
        return self._table.update(
            _ITEM,
            "SET missing_since = :now",
            "attribute_not_exists(missing_since)",
            values={":now": now},
        )

    def end(self) -> None:
        """Note that somebody has."""
        self._table.update(_ITEM, "REMOVE missing_since", "attribute_exists(missing_since)")
