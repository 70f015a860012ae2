"""The checks of the subnet, and of its way to S3, EMR, and KMS."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from cli.preflight.checks.routes import check_routes
from cli.preflight.checks.subnet import (
    Subnet,
    check_dns,
    check_security_groups,
    check_subnet,
    find_subnet,
)
from cli.preflight.plan import Plan
from tests.support.accounts import Denied, StubbedAccount, describe_results

SUBNET = Subnet("subnet-1", "vpc-1", "eu-west-1a", 250, assigns_public_addresses=False)
ALLOW_ALL = json.dumps(
    {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
)
S3 = {
    "ServiceName": "com.amazonaws.eu-west-1.s3",
    "VpcEndpointType": "Gateway",
    "State": "available",
    "RouteTableIds": ["rtb-1"],
    "PolicyDocument": ALLOW_ALL,
}
EMR = {
    "ServiceName": "com.amazonaws.eu-west-1.elasticmapreduce",
    "VpcEndpointType": "Interface",
    "State": "available",
    "PrivateDnsEnabled": True,
}
KMS = {**EMR, "ServiceName": "com.amazonaws.eu-west-1.kms"}


def test_subnet_is_found(stub: StubbedAccount) -> None:
    subnet = {
        "SubnetId": "subnet-1",
        "VpcId": "vpc-1",
        "AvailabilityZone": "eu-west-1a",
        "AvailableIpAddressCount": 250,
        "MapPublicIpOnLaunch": False,
    }
    stub.respond("ec2", "describe_subnets", {"Subnets": [subnet]}, {"SubnetIds": ["subnet-1"]})
    assert find_subnet(stub.account, "subnet-1") == SUBNET


@pytest.mark.parametrize("code", ["InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed"])
def test_missing_subnet_fails(stub: StubbedAccount, plan: Plan, code: str) -> None:
    stub.respond("ec2", "describe_subnets", Denied(code))
    assert find_subnet(stub.account, "subnet-1") is None
    [(status, text)] = describe_results(check_subnet(stub.account, plan, None))
    assert status == "FAILED"
    assert text.startswith("eu-west-1 has no subnet subnet-1: list the subnets with: aws ec2")


@pytest.mark.parametrize(
    ("free", "status", "text"),
    [
        (1, "FAILED", "but a cluster needs 2: choose a larger subnet"),
        (43, "WARNING", "but 4 runs of the largest size need 44"),
        (44, "OK", "subnet-1 in eu-west-1a has 44 free addresses"),
    ],
)
def test_subnet_needs_free_addresses(
    stub: StubbedAccount, plan: Plan, free: int, status: str, text: str
) -> None:
    [result] = describe_results(
        check_subnet(stub.account, plan, replace(SUBNET, free_addresses=free))
    )
    assert result[0] == status
    assert text in result[1]


@pytest.mark.parametrize(
    ("support", "names", "texts"),
    [
        (True, True, ["vpc-1 resolves and assigns host names"]),
        (
            True,
            False,
            [
                (
                    "enableDnsHostnames is off in vpc-1: aws ec2 modify-vpc-attribute --vpc-id"
                    " vpc-1 --enable-dns-hostnames"
                )
            ],
        ),
        (
            False,
            True,
            [
                (
                    "enableDnsSupport is off in vpc-1: aws ec2 modify-vpc-attribute --vpc-id vpc-1"
                    " --enable-dns-support"
                )
            ],
        ),
    ],
)
def test_vpc_needs_dns(
    stub: StubbedAccount, *, support: bool, names: bool, texts: list[str]
) -> None:
    for field, value in (("EnableDnsSupport", support), ("EnableDnsHostnames", names)):
        stub.respond("ec2", "describe_vpc_attribute", {field: {"Value": value}})
    results = describe_results(check_dns(stub.account, SUBNET))
    assert [text for _, text in results] == texts
    assert {status for status, _ in results} == {"OK" if support and names else "FAILED"}


@pytest.mark.parametrize(
    ("tags", "status", "text"),
    [
        (
            [],
            "FAILED",
            (
                "an older EMR role created sg-1 without the tag that the service role needs: aws"
                " ec2 create-tags --resources sg-1"
                " --tags Key=for-use-with-amazon-emr-managed-policies,Value=true"
            ),
        ),
        (
            [{"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"}],
            "OK",
            "EMR's security groups in the VPC have the tag of its policy",
        ),
    ],
)
def test_security_groups_need_the_tag_of_the_service_role(
    stub: StubbedAccount, tags: list[dict[str, str]], status: str, text: str
) -> None:
    group = {"GroupId": "sg-1", "GroupName": "ElasticMapReduce-Slave-Private", "Tags": tags}
    stub.respond("ec2", "describe_security_groups", {"SecurityGroups": [group]})
    assert describe_results(check_security_groups(stub.account, SUBNET)) == [(status, text)]


def test_security_groups_are_created_by_the_first_run(stub: StubbedAccount) -> None:
    stub.respond("ec2", "describe_security_groups", {"SecurityGroups": []})
    [(status, _)] = describe_results(check_security_groups(stub.account, SUBNET))
    assert status == "OK"


def check(
    stub: StubbedAccount,
    endpoints: Sequence[dict[str, Any]] = (),
    route: dict[str, Any] | None = None,
    subnet: Subnet = SUBNET,
) -> list[tuple[str, str]]:
    """Return the results for a subnet with these endpoints, and with this default route."""
    routes = [{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}]
    if route:
        routes.append({"DestinationCidrBlock": "0.0.0.0/0", "State": "active", **route})
    table = {"RouteTableId": "rtb-1", "Routes": routes}
    stub.respond("ec2", "describe_route_tables", {"RouteTables": [table]})
    stub.respond("ec2", "describe_vpc_endpoints", {"VpcEndpoints": list(endpoints)})
    return describe_results(check_routes(stub.account, subnet))


def test_subnet_with_nat_gateway(stub: StubbedAccount) -> None:
    assert check(stub, route={"NatGatewayId": "nat-1"}) == [("OK", "through the NAT gateway nat-1")]


def test_subnet_with_endpoints(stub: StubbedAccount) -> None:
    assert check(stub, [S3, EMR, KMS]) == [("OK", "through VPC endpoints")]


def test_public_subnet_needs_public_addresses(stub: StubbedAccount) -> None:
    [(status, text)] = check(stub, route={"GatewayId": "igw-1"})
    assert status == "FAILED"
    assert "aws ec2 modify-subnet-attribute --subnet-id subnet-1 --map-public-ip-on-launch" in text


def test_public_subnet_with_public_addresses(stub: StubbedAccount) -> None:
    subnet = replace(SUBNET, assigns_public_addresses=True)
    [(status, _)] = check(stub, route={"GatewayId": "igw-1"}, subnet=subnet)
    assert status == "OK"


@pytest.mark.parametrize(
    ("endpoints", "names"),
    [
        ([], "S3, EMR, KMS"),
        ([S3, KMS], "EMR"),
        ([{**S3, "RouteTableIds": ["rtb-2"]}, EMR, KMS], "S3"),
        ([S3, {**EMR, "PrivateDnsEnabled": False}, KMS], "EMR"),
        ([S3, EMR, {**KMS, "State": "pending"}], "KMS"),
    ],
)
def test_private_subnet_needs_an_endpoint_for_each_service(
    stub: StubbedAccount, endpoints: list[dict[str, Any]], names: str
) -> None:
    status, text = check(stub, endpoints)[0]
    assert status == "FAILED"
    assert text.startswith(f"no route to {names}: add a NAT gateway, or interface endpoints")


def test_route_to_a_deleted_gateway(stub: StubbedAccount) -> None:
    [(status, text)] = check(stub, route={"NatGatewayId": "nat-1", "State": "blackhole"})
    assert status == "FAILED"
    assert "nat-1, which does not exist any more" in text


def test_route_that_cannot_be_followed(stub: StubbedAccount) -> None:
    [(status, text)] = check(stub, [S3], {"TransitGatewayId": "tgw-1"})
    assert status == "WARNING"
    assert text == (
        "the default route leads to tgw-1: make sure that EMR, KMS can be reached from there"
    )


def test_restricted_policy_of_the_s3_endpoint_is_mentioned(stub: StubbedAccount) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:x"}
    endpoint = {**S3, "PolicyDocument": json.dumps({"Statement": [statement]})}
    results = check(stub, [endpoint, EMR, KMS])
    assert [status for status, _ in results] == ["OK", "WARNING"]
    assert "the policy of the S3 endpoint is restricted" in results[1][1]


def test_main_route_table_applies_to_a_subnet_without_its_own(stub: StubbedAccount) -> None:
    stub.respond("ec2", "describe_route_tables", {"RouteTables": []})
    assert check(stub, route={"NatGatewayId": "nat-1"}) == [("OK", "through the NAT gateway nat-1")]
