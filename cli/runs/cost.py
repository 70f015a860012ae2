"""What the cluster of a run costs, at list prices."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from cli.scale.cluster_size import compute_cluster_size
from cli.scale.prices import get_hourly_price

_SECONDS_PER_HOUR = 3600


def estimate_cost(
    input_bytes: int, seconds: float, parameters: Mapping[str, str]
) -> Decimal | None:
    """Return what the cluster of a run costs in US dollars, or `None` if a price is not known.

    It is an upper bound: Spot capacity costs less. The prices are those of us-east-1.

    Args:
        input_bytes: Size of the four input files.
        seconds: Time for which the cluster existed.
        parameters: The values of the stack's parameters.
    """
    primary = get_hourly_price(parameters["PrimaryInstanceType"])
    worker = get_hourly_price(parameters["WorkerInstanceType"])
    if primary is None or worker is None:
        return None
    size = compute_cluster_size(
        input_bytes, int(parameters["MaxWorkers"]), int(parameters["SpotPercent"])
    )
    hourly = primary + worker * size.workers
    return Decimal(hourly * seconds / _SECONDS_PER_HOUR).quantize(Decimal("0.01"))
