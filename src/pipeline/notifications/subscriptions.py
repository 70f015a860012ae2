"""Whether the topic has a confirmed subscription, so that someone receives the emails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.ledger.keys import SUBSCRIPTION
from pipeline.ledger.table import LedgerTable

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient


def has_confirmed_subscription(sns: SNSClient, topic_arn: str) -> bool:
    """Return whether the topic has a confirmed subscription.

    A subscription that is not confirmed has a string such as `PendingConfirmation` as its ARN.
    """
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    return any(
        subscription["SubscriptionArn"].startswith("arn:")
        for page in pages
        for subscription in page["Subscriptions"]
    )


class SubscriptionLedger:
    """The item about a missing subscription. It ensures that the problem is logged once."""

    def __init__(self, table: LedgerTable) -> None:
        self._table = table

    def record_missing(self, now: str) -> bool:
        """Record that no subscription is confirmed.

        Returns:
            Whether the item has changed.
        """
        return self._table.update(
            SUBSCRIPTION,
            "SET missing_since = :now",
            "attribute_not_exists(missing_since)",
            values={":now": now},
        )

    def record_confirmed(self) -> None:
        """Record that a subscription is confirmed."""
        self._table.update(SUBSCRIPTION, "REMOVE missing_since", "attribute_exists(missing_since)")
