"""What a verification costs."""

from __future__ import annotations

from collections.abc import Mapping

_MINUTES = 20
# List prices in us-east-1, in US dollars for an hour: EC2 On-Demand plus EMR
# (aws.amazon.com/emr/pricing).
_HOURLY_PRICES = {"m7g.xlarge": 0.1632 + 0.0408, "m7g.2xlarge": 0.3264 + 0.0816}


def describe_cost(parameters: Mapping[str, str]) -> str:
    """Return what a run of a small batch costs, as sentences.

    Args:
        parameters: The values of the stack's parameters.
    """
    types = [parameters["PrimaryInstanceType"], parameters["WorkerInstanceType"]]
    resources = f"an EMR cluster of one {types[0]} and one {types[1]} for about {_MINUTES} minutes"
    prices = [_HOURLY_PRICES.get(name) for name in types]
    if None in prices:
        return f"It uses {resources}. For the prices, see https://aws.amazon.com/emr/pricing/."
    hourly = sum(price for price in prices if price)
    cost = hourly * _MINUTES / 60
    return f"It uses {resources}: about {cost:.2f} USD at the list prices of us-east-1."
