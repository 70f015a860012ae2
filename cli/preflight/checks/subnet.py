"""The subnet of the clusters: its addresses, the DNS of its VPC, and EMR's security groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from botocore.exceptions import ClientError

from cli.check_results import CheckResult, fail, ok, warn
from cli.preflight.cluster_size import get_largest_size, get_smallest_size
from cli.preflight.plan import Plan
from cli.target.account import Account
from pipeline.aws.clients import error_code

SUBJECT = "subnet"
DNS_SUBJECT = "DNS of the VPC"
GROUPS_SUBJECT = "security groups"
_TAG = "for-use-with-amazon-emr-managed-policies"


@dataclass(frozen=True)
class Subnet:
    """A subnet.

    Attributes:
        subnet_id: ID of the subnet.
        vpc_id: ID of its VPC.
        zone: Its Availability Zone.
        free_addresses: Number of its free IPv4 addresses.
        assigns_public_addresses: Whether instances get a public IPv4 address.
    """

    subnet_id: str
    vpc_id: str
    zone: str
    free_addresses: int
    assigns_public_addresses: bool


def find_subnet(account: Account, subnet_id: str) -> Subnet | None:
    """Return a subnet, or None if the region has no such subnet."""
    try:
        response = account.client("ec2").describe_subnets(SubnetIds=[subnet_id])
    except ClientError as error:
        if error_code(error).startswith("InvalidSubnet"):
            return None
        raise
    [subnet] = response["Subnets"]
    return Subnet(
        subnet_id,
        subnet["VpcId"],
        subnet["AvailabilityZone"],
        subnet["AvailableIpAddressCount"],
        subnet["MapPublicIpOnLaunch"],
    )


def check_subnet(account: Account, plan: Plan, subnet: Subnet | None) -> Iterator[CheckResult]:
    """Check that the subnet exists, and has addresses for the nodes of the clusters."""
    if subnet is None:
        yield fail(
            SUBJECT,
            f"{account.region} has no subnet {plan.subnet}: list the subnets with: aws ec2"
            " describe-subnets --query 'Subnets[].[SubnetId,VpcId,AvailabilityZone]'",
        )
        return
    # EMR creates no cluster if the subnet has too few addresses ("Launch clusters into a VPC").
    smallest = get_smallest_size(plan).nodes
    total = get_largest_size(plan).nodes * plan.get_number("MaxConcurrentRuns")
    text = f"{subnet.subnet_id} in {subnet.zone} has {subnet.free_addresses} free addresses"
    if subnet.free_addresses < smallest:
        yield fail(SUBJECT, f"{text}, but a cluster needs {smallest}: choose a larger subnet")
    elif subnet.free_addresses < total:
        runs = plan.get_number("MaxConcurrentRuns")
        yield warn(
            SUBJECT,
            f"{text}, but {runs} runs of the largest size need {total}: choose a larger subnet, or"
            " reduce MaxConcurrentRuns or MaxWorkers",
        )
    else:
        yield ok(SUBJECT, text)


def check_dns(account: Account, subnet: Subnet) -> Iterator[CheckResult]:
    """Check that instances get DNS names ("Set up a VPC to host clusters" in the EMR guide)."""
    ec2 = account.client("ec2")
    disabled = []
    for attribute, field in (
        ("enableDnsSupport", "EnableDnsSupport"),
        ("enableDnsHostnames", "EnableDnsHostnames"),
    ):
        response = ec2.describe_vpc_attribute(VpcId=subnet.vpc_id, Attribute=attribute)
        if not response[field]["Value"]:
            disabled.append(attribute)
    if not disabled:
        yield ok(DNS_SUBJECT, f"{subnet.vpc_id} resolves and assigns host names")
    for attribute in disabled:
        option = {"enableDnsSupport": "--enable-dns-support"}.get(
            attribute, "--enable-dns-hostnames"
        )
        yield fail(
            DNS_SUBJECT,
            f"{attribute} is off in {subnet.vpc_id}: aws ec2 modify-vpc-attribute"
            f" --vpc-id {subnet.vpc_id} {option}",
        )


def check_security_groups(account: Account, subnet: Subnet) -> Iterator[CheckResult]:
    """Check that the policy of EMR's service role covers EMR's security groups, if they exist."""
    filters = [
        {"Name": "vpc-id", "Values": [subnet.vpc_id]},
        {"Name": "group-name", "Values": ["ElasticMapReduce-*"]},
    ]
    pages = (
        account.client("ec2").get_paginator("describe_security_groups").paginate(Filters=filters)
    )
    groups = [group for page in pages for group in page["SecurityGroups"]]
    untagged = [
        group["GroupId"]
        for group in groups
        if {"Key": _TAG, "Value": "true"} not in group.get("Tags", [])
    ]
    if untagged:
        yield fail(
            GROUPS_SUBJECT,
            f"an older EMR role created {', '.join(untagged)} without the tag that the service role"
            f" needs: aws ec2 create-tags --resources {' '.join(untagged)}"
            f" --tags Key={_TAG},Value=true",
        )
    elif groups:
        yield ok(GROUPS_SUBJECT, "EMR's security groups in the VPC have the tag of its policy")
    else:
        yield ok(GROUPS_SUBJECT, "the first run creates EMR's security groups in the VPC")
