"""Roles with exactly the permissions that a test is about."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import boto3

from local.cloud import Cloud


def assume_role_with_policy(cloud: Cloud, policy: dict[str, Any]) -> Any:
    """Create and assume a role with only this policy.

    Returns:
        A function that creates the client of a service with the role's credentials.
    """
    iam, name = cloud.client("iam"), f"test-{uuid4()}"
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    response = cloud.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="test")
    credentials = response["Credentials"]
    session = boto3.session.Session(
        credentials["AccessKeyId"],
        credentials["SecretAccessKey"],
        credentials["SessionToken"],
        cloud.region,
    )
    create_client: Any = session.client
    return lambda service: create_client(
        service, endpoint_url=cloud.endpoint, verify=str(cloud.ca_bundle)
    )
