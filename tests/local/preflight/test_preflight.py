"""`./run preflight` on a local cloud, from a new account to one that is ready."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest

from cli.check_results import CheckResult, Status
from cli.preflight.plan import make_plan
from cli.preflight.preflight import check_deployment
from cli.target.account import Account, open_local_cloud
from local.cloud import Cloud, running

pytestmark = pytest.mark.xdist_group("preflight")

READY = {
    "parameters",
    "EMR release",
    "subnet",
    "DNS of the VPC",
    "way to S3, EMR, KMS",
    "security groups",
    "instance types",
    "On-Demand quota",
    "Spot quota",
    "Glue database",
    "Lake Formation",
    "service-linked roles",
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud of its own, because the tests change the settings of the account."""
    with running(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def subnet(cloud: Cloud) -> str:
    """A private subnet without a NAT gateway, in a VPC with DNS."""
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{attribute: {"Value": True}})
    zone = f"{cloud.region}c"
    created = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=zone)
    return str(created["Subnet"]["SubnetId"])


def check(account: Account, subnet: str, *overrides: str) -> dict[str, CheckResult]:
    """Return the result of each check that depends on the account."""
    plan = make_plan("rental-kpi", None, subnet, overrides)
    return {
        result.subject: result
        for result in check_deployment(account, plan)
        if result.subject != "Python for sam build"
    }


def get_route_table(cloud: Cloud, subnet: str) -> str:
    """Return the main route table of the VPC of a subnet."""
    ec2 = cloud.client("ec2")
    [description] = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
    filters = [{"Name": "vpc-id", "Values": [description["VpcId"]]}]
    [table] = ec2.describe_route_tables(Filters=filters)["RouteTables"]
    return str(table["RouteTableId"])


def test_new_account_gets_ready_by_following_the_results(cloud: Cloud, subnet: str) -> None:
    account = open_local_cloud(cloud)
    results = check(account, subnet)
    failed = {name for name, result in results.items() if result.status is Status.FAILED}
    assert failed == {"way to S3, EMR, KMS", "On-Demand quota"}
    assert "needs 8, and 4 runs of the largest size need 96" in results["On-Demand quota"].text

    quotas, ec2 = cloud.client("service-quotas"), cloud.client("ec2")
    for code, value in (("L-1216C47A", 96), ("L-34B43A08", 80)):
        quotas.request_service_quota_increase(ServiceCode="ec2", QuotaCode=code, DesiredValue=value)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    gateway = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]
    ec2.create_route(
        RouteTableId=get_route_table(cloud, subnet),
        DestinationCidrBlock="0.0.0.0/0",
        NatGatewayId=gateway["NatGatewayId"],
    )
    results = check(account, subnet)
    assert results.keys() == READY
    assert {result.status for result in results.values()} == {Status.OK}, results


def test_parameters_of_the_deployment_are_checked(cloud: Cloud, subnet: str) -> None:
    results = check(
        open_local_cloud(cloud),
        subnet,
        *("EmrRelease=emr-7.99.0", "ReceiveUploadConcurrency=1000"),
    )
    assert "emr-7.99.0 is not offered" in results["EMR release"].text
    assert results["reserved concurrency"].status is Status.FAILED
    results = check(open_local_cloud(cloud), subnet, "WorkerInstanceType=r7g.xlarge")
    assert "choose another type, or a subnet in" in results["instance types"].text


def test_existing_database_and_lake_formation_are_found(cloud: Cloud, subnet: str) -> None:
    glue, lake_formation = cloud.client("glue"), cloud.client("lakeformation")
    settings = lake_formation.get_data_lake_settings()["DataLakeSettings"]
    glue.create_database(DatabaseInput={"Name": "rental_kpi"})
    lake_formation.put_data_lake_settings(DataLakeSettings={"DataLakeAdmins": []})
    try:
        results = check(open_local_cloud(cloud), subnet)
    finally:
        glue.delete_database(Name="rental_kpi")
        lake_formation.put_data_lake_settings(DataLakeSettings=settings)
    assert results["Glue database"].status is Status.FAILED
    assert results["Lake Formation"].status is Status.WARNING


def open_limited_account(cloud: Cloud, *actions: str) -> Account:
    """Return the account as a user sees it who may only perform these actions."""
    iam, name = cloud.client("iam"), "limited"
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="actions", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.session.Session(key["AccessKeyId"], key["SecretAccessKey"], None, cloud.region)

    @cache
    def create_client(service: str) -> Any:
        create: Any = session.client
        return create(service, endpoint_url=cloud.endpoint, verify=str(cloud.ca_bundle))

    caller = f"arn:aws:iam::000000000000:user/{name}"
    return Account("limited", cloud.region, caller, is_local=True, create_client=create_client)


def test_missing_permissions_of_the_caller_are_named(cloud: Cloud, subnet: str) -> None:
    account = open_limited_account(
        cloud,
        "ec2:DescribeSubnets",
        "elasticmapreduce:ListSupportedInstanceTypes",
        "ec2:DescribeInstanceTypeOfferings",
    )
    results = check(account, subnet)
    denied = {
        name: result.text.removeprefix("could not be checked: needs permission ")
        for name, result in results.items()
        if result.status is Status.WARNING
    }
    assert denied == {
        "EMR release": "elasticmapreduce:DescribeReleaseLabel",
        "DNS of the VPC": "ec2:DescribeVpcAttribute",
        "way to S3, EMR, KMS": "ec2:DescribeRouteTables",
        "security groups": "ec2:DescribeSecurityGroups",
        "On-Demand quota": "servicequotas:GetServiceQuota",
        "Glue database": "glue:GetDatabase",
        "Lake Formation": "lakeformation:GetDataLakeSettings",
        "service-linked roles": "iam:GetRole",
    }
    assert results["subnet"].status is Status.OK
    assert results["instance types"].status is Status.OK
