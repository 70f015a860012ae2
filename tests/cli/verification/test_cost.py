"""The cost that `./run verify` states before it starts."""

from __future__ import annotations

from cli.verification.cost import describe_cost


def test_cost_of_default_types_is_stated() -> None:
    types = {"PrimaryInstanceType": "m7g.xlarge", "WorkerInstanceType": "m7g.xlarge"}
    assert describe_cost(types) == (
        "It uses an EMR cluster of one m7g.xlarge and one m7g.xlarge for about 20 minutes: about"
        " 0.14 USD at the list prices of us-east-1."
    )


def test_prices_of_other_types_are_linked() -> None:
    types = {"PrimaryInstanceType": "m7g.xlarge", "WorkerInstanceType": "r8g.xlarge"}
    assert describe_cost(types).endswith("see https://aws.amazon.com/emr/pricing/.")
