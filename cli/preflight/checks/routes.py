"""The way from the subnet to S3, EMR, and KMS.

A cluster needs all three: S3 for the files, KMS for their key, and EMR's own endpoint for its
steps, managed scaling, and the auto-termination policy ("Amazon VPC options" in the EMR Management
Guide: clusters must access AWS services and Amazon EMR).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cli.check_results import CheckResult, fail, ok, warn
from cli.preflight.checks.subnet import Subnet
from cli.target.account import Account

SUBJECT = "way to S3, EMR, KMS"
_DEFAULT_ROUTE = "0.0.0.0/0"
_SERVICES = {"s3": "S3", "elasticmapreduce": "EMR", "kms": "KMS"}


def check_routes(account: Account, subnet: Subnet) -> Iterator[CheckResult]:
    """Check that the subnet has a way to each of the services."""
    table = _get_route_table(account, subnet)
    endpoints = _list_endpoints(account, subnet, str(table.get("RouteTableId", "")))
    missing = [name for name in _SERVICES if name not in endpoints]
    if not missing:
        yield ok(SUBJECT, "through VPC endpoints")
    else:
        names = ", ".join(_SERVICES[name] for name in missing)
        yield _check_default_route(_find_default_route(table), subnet, names, account.region)
    policy = endpoints.get("s3")
    if policy is not None and not _allows_everything(policy):
        yield warn(
            SUBJECT,
            "the policy of the S3 endpoint is restricted: it must allow the data bucket and the"
            ' buckets of EMR and Amazon Linux that the EMR Management Guide lists in "Sample'
            ' policies for private subnets that access Amazon S3"',
        )


def _check_default_route(
    route: Mapping[str, Any] | None, subnet: Subnet, names: str, region: str
) -> CheckResult:
    """Return whether the default route leads to services without an endpoint.

    Args:
        route: The default route. None if there is none.
        subnet: The subnet.
        names: The services that have no endpoint, as part of a sentence.
        region: The region.
    """
    if route is None:
        return fail(
            SUBJECT,
            f"no route to {names}: add a NAT gateway, or interface endpoints with private DNS for"
            f" com.amazonaws.{region}.elasticmapreduce and com.amazonaws.{region}.kms and a"
            f" gateway endpoint for com.amazonaws.{region}.s3",
        )
    target = _get_target(route)
    if route.get("State") == "blackhole":
        return fail(SUBJECT, f"the default route leads to {target}, which does not exist any more")
    if target.startswith("nat-"):
        return ok(SUBJECT, f"through the NAT gateway {target}")
    if target.startswith("igw-"):
        if subnet.assigns_public_addresses:
            return ok(SUBJECT, f"through the internet gateway {target}, with public addresses")
        return fail(
            SUBJECT,
            f"the default route leads to {target}, but instances get no public address: aws ec2"
            f" modify-subnet-attribute --subnet-id {subnet.subnet_id} --map-public-ip-on-launch, or"
            " choose a private subnet with a NAT gateway",
        )
    return warn(
        SUBJECT,
        f"the default route leads to {target}: make sure that {names} can be reached from there",
    )


def _get_route_table(account: Account, subnet: Subnet) -> Mapping[str, Any]:
    """Return the route table of the subnet, or else the main route table of its VPC."""
    ec2 = account.client("ec2")
    for filters in (
        [{"Name": "association.subnet-id", "Values": [subnet.subnet_id]}],
        [
            {"Name": "vpc-id", "Values": [subnet.vpc_id]},
            {"Name": "association.main", "Values": ["true"]},
        ],
    ):
        tables: list[Mapping[str, Any]] = ec2.describe_route_tables(Filters=filters)["RouteTables"]
        if tables:
            return tables[0]
    return {}


def _find_default_route(table: Mapping[str, Any]) -> Mapping[str, Any] | None:
    routes = table.get("Routes", [])
    return next(
        (route for route in routes if route.get("DestinationCidrBlock") == _DEFAULT_ROUTE), None
    )


def _get_target(route: Mapping[str, Any]) -> str:
    """Return the ID of what a route leads to, such as `nat-1`."""
    fields = (
        "NatGatewayId",
        "GatewayId",
        "TransitGatewayId",
        "VpcPeeringConnectionId",
        "NetworkInterfaceId",
        "InstanceId",
    )
    return next((str(route[field]) for field in fields if route.get(field)), "an unknown target")


def _list_endpoints(account: Account, subnet: Subnet, route_table: str) -> dict[str, str]:
    """Return the policy of each endpoint that the subnet can use, by the name of the service."""
    pages = (
        account.client("ec2")
        .get_paginator("describe_vpc_endpoints")
        .paginate(Filters=[{"Name": "vpc-id", "Values": [subnet.vpc_id]}])
    )
    return {
        endpoint["ServiceName"].rpartition(".")[2]: endpoint.get("PolicyDocument", "")
        for page in pages
        for endpoint in page["VpcEndpoints"]
        if _is_usable(endpoint, route_table)
    }


def _is_usable(endpoint: Mapping[str, Any], route_table: str) -> bool:
    if endpoint.get("State", "").lower() != "available":
        return False
    if endpoint["VpcEndpointType"] == "Gateway":
        return route_table in endpoint.get("RouteTableIds", [])
    return bool(endpoint.get("PrivateDnsEnabled"))


def _allows_everything(policy: str) -> bool:
    """Return whether the policy of an endpoint is the default one, which allows everything."""
    try:
        statements = json.loads(policy)["Statement"] if policy else []
    except (ValueError, KeyError, TypeError):
        return False
    return not policy or any(
        statement.get("Effect") == "Allow"
        and statement.get("Action") == "*"
        and statement.get("Resource") == "*"
        and not statement.get("Condition")
        for statement in (statements if isinstance(statements, list) else [statements])
    )
