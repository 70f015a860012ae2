"""The call DescribeInstanceTypeOfferings: which instance types a zone offers.

As on AWS, not every zone offers every type: only the first two zones of the region offer the types
of the family r7g.
"""

from __future__ import annotations

from typing import Any

from local.extensions.emr.releases import INSTANCE_TYPES
from local.extensions.patching.patches import add_entry, resolve

_EC2 = "ministack.services.ec2"
_ZONE_LETTERS = "abc"
_RARE_FAMILY, _RARE_ZONE_LETTERS = "r7g.", "ab"


def install() -> None:
    """Add the call to the API."""
    add_entry(_EC2, "_ACTION_MAP", "DescribeInstanceTypeOfferings", _describe_offerings)


def _describe_offerings(parameters: dict[str, Any]) -> Any:
    filters = resolve(_EC2, "_parse_filters", ("params",))(parameters)
    region = resolve("ministack.core.responses", "get_region")()
    by_zone = resolve(_EC2, "_p")(parameters, "LocationType") == "availability-zone"
    items = [
        (name, f"{region}{letter}" if by_zone else region)
        for name in INSTANCE_TYPES
        for letter in _ZONE_LETTERS
        if letter in _RARE_ZONE_LETTERS or not name.startswith(_RARE_FAMILY)
    ]
    xml = "".join(
        f"<item><instanceType>{name}</instanceType><location>{location}</location></item>"
        for name, location in dict.fromkeys(items)
        if name in filters.get("instance-type", [name])
        and location in filters.get("location", [location])
    )
    body = f"<instanceTypeOfferingSet>{xml}</instanceTypeOfferingSet>"
    return resolve(_EC2, "_xml")(200, "DescribeInstanceTypeOfferingsResponse", body)
