"""Whether anybody receives the emails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.ledger.keys import SUBSCRIPTION
from pipeline.ledger.table import LedgerTable

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient


def has_confirmed_subscription(sns: SNSClient, topic_arn: str) -> bool:
    """Return whether the topic has a confirmed subscription.

    Other subscriptions have a text such as `PendingConfirmation` in place of an ARN.
    """
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    return any(
        subscription["SubscriptionArn"].startswith("arn:")
        for page in pages
        for subscription in page["Subscriptions"]
    )


class SubscriptionLedger:
    """The ledger's item about a missing subscription, so that it is reported once."""

    def __init__(self, table: LedgerTable) -> None:
        self._table = table

    def record_missing(self, now: str) -> bool:
        """Record that no subscription is confirmed, and return whether this is new."""
        return self._table.update(
            SUBSCRIPTION,
            "SET missing_since = :now",
            "attribute_not_exists(missing_since)",
            values={":now": now},
        )

    def record_confirmed(self) -> None:
        """Record that a subscription is confirmed."""
        self._table.update(SUBSCRIPTION, "REMOVE missing_since", "attribute_exists(missing_since)")
