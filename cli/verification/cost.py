"""What a verification costs."""

from __future__ import annotations

from collections.abc import Mapping

from cli.scale.prices import get_hourly_price

_MINUTES = 20


def describe_cost(parameters: Mapping[str, str]) -> str:
    """Return what a run of a small batch costs, as sentences.

    Args:
        parameters: The values of the stack's parameters.
    """
    types = [parameters["PrimaryInstanceType"], parameters["WorkerInstanceType"]]
    resources = f"an EMR cluster of one {types[0]} and one {types[1]} for about {_MINUTES} minutes"
    prices = [get_hourly_price(name) for name in types]
    if None in prices:
        return f"It uses {resources}. For the prices, see https://aws.amazon.com/emr/pricing/."
    hourly = sum(price for price in prices if price)
    cost = hourly * _MINUTES / 60
    return f"It uses {resources}: about {cost:.2f} USD at the list prices of us-east-1."
