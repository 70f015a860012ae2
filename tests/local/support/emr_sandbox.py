"""Roles, an instance profile, and a bucket for EMR clusters, with the calls that tests need."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import boto3

from local.cloud import Cloud
from tests.support.waiting import wait_until

BUCKET = "emr-sandbox"
SERVICE_ROLE = "emr-sandbox-service"
INSTANCE_PROFILE = "emr-sandbox-instances"
BUCKET_ACCESS = {
    "Effect": "Allow",
    "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"],
    "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
}
FINAL_STEP_STATES = {"COMPLETED", "FAILED", "CANCELLED", "INTERRUPTED"}
FINAL_CLUSTER_STATES = {"TERMINATED", "TERMINATED_WITH_ERRORS"}


@dataclass
class EmrSandbox:
    """The calls that tests of clusters make on a cloud."""

    cloud: Cloud
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service, which acts as the account's root user."""
        if service not in self._clients:
            self._clients[service] = self.cloud.client(service)
        return self._clients[service]

    @property
    def emr(self) -> Any:
        """The EMR client."""
        return self.client("emr")

    def put_role(self, name: str, service: str, statements: Sequence[dict[str, Any]]) -> str:
        """Create a role that a service can assume, or replace its permissions; return its ARN."""
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=_build_policy([trust]))
        iam.put_role_policy(
            RoleName=name, PolicyName="permissions", PolicyDocument=_build_policy(statements)
        )
        return f"arn:aws:iam::000000000000:role/{name}"

    def client_with_role(self, role_arn: str, service: str) -> Any:
        """Return a boto3 client with the permissions of a role."""
        response = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="test")
        credentials = response["Credentials"]
        session = boto3.session.Session(
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            region_name=self.cloud.region,
        )
        create: Any = session.client
        return create(service, endpoint_url=self.cloud.endpoint, verify=str(self.cloud.ca_bundle))

    def start_cluster(self, emr: Any = None, **arguments: Any) -> str:
        """Start a cluster and return its ID.

        Args:
            emr: The EMR client. `None` for the client of the account's root user.
            **arguments: Arguments of `build_cluster_request`.
        """
        response = (emr or self.emr).run_job_flow(**build_cluster_request(**arguments))
        return str(response["JobFlowId"])

    def add_steps(self, cluster_id: str, *steps: dict[str, Any]) -> list[str]:
        """Add steps to a cluster and return their IDs."""
        response = self.emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=list(steps))
        return list(response["StepIds"])

    def describe_cluster(self, cluster_id: str) -> dict[str, Any]:
        """Return a cluster as EMR describes it."""
        cluster: dict[str, Any] = self.emr.describe_cluster(ClusterId=cluster_id)["Cluster"]
        return cluster

    def get_step_status(self, cluster_id: str, step_id: str) -> dict[str, Any]:
        """Return the status of a step."""
        step = self.emr.describe_step(ClusterId=cluster_id, StepId=step_id)["Step"]
        status: dict[str, Any] = step["Status"]
        return status

    def wait_for_cluster(
        self, cluster_id: str, states: set[str], timeout: float = 30.0
    ) -> dict[str, Any]:
        """Wait until a cluster is in one of the states and return its status."""
        assert wait_until(
            lambda: self.describe_cluster(cluster_id)["Status"]["State"] in states, timeout
        ), self.describe_cluster(cluster_id)["Status"]
        status: dict[str, Any] = self.describe_cluster(cluster_id)["Status"]
        return status

    def wait_for_step(
        self, cluster_id: str, step_id: str, states: set[str], timeout: float = 30.0
    ) -> dict[str, Any]:
        """Wait until a step is in one of the states and return its status."""
        assert wait_until(
            lambda: self.get_step_status(cluster_id, step_id)["State"] in states, timeout
        ), self.get_step_status(cluster_id, step_id)
        return self.get_step_status(cluster_id, step_id)

    def read_log(self, cluster_id: str, step_id: str, name: str) -> str:
        """Return the `stdout`, `stderr`, or `controller` log of a step."""
        key = f"logs/{cluster_id}/steps/{step_id}/{name}.gz"
        body = self.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return gzip.decompress(body).decode()

    def put_object(self, key: str, body: bytes) -> str:
        """Put an object into the bucket and return its URI."""
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def read_object(self, key: str) -> bytes:
        """Return the content of an object in the bucket."""
        body: bytes = self.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def list_keys(self, prefix: str) -> set[str]:
        """Return the keys that begin with a prefix."""
        pages = self.client("s3").get_paginator("list_objects_v2")
        return {
            listed["Key"]
            for page in pages.paginate(Bucket=BUCKET, Prefix=prefix)
            for listed in page.get("Contents", [])
        }


def create_emr_sandbox(cloud: Cloud) -> EmrSandbox:
    """Create the roles, the instance profile, and the bucket, unless they already exist."""
    sandbox = EmrSandbox(cloud)
    s3, iam = sandbox.client("s3"), sandbox.client("iam")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": cloud.region}
        )
    sandbox.put_role(SERVICE_ROLE, "elasticmapreduce.amazonaws.com", [BUCKET_ACCESS])
    sandbox.put_role(INSTANCE_PROFILE, "ec2.amazonaws.com", [BUCKET_ACCESS])
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_instance_profile(InstanceProfileName=INSTANCE_PROFILE)
        iam.add_role_to_instance_profile(
            InstanceProfileName=INSTANCE_PROFILE, RoleName=INSTANCE_PROFILE
        )
    return sandbox


def build_cluster_request(
    *, keep_alive: bool = True, is_protected: bool = False, **overrides: Any
) -> dict[str, Any]:
    """Return valid arguments for RunJobFlow.

    Args:
        keep_alive: Whether the cluster waits for further steps.
        is_protected: Whether termination protection is on.
        **overrides: Arguments to add or replace.
    """
    return {
        "Name": "sandbox",
        "ReleaseLabel": "emr-7.13.0",
        "ServiceRole": SERVICE_ROLE,
        "JobFlowRole": INSTANCE_PROFILE,
        "LogUri": f"s3://{BUCKET}/logs/",
        "Instances": {
            "KeepJobFlowAliveWhenNoSteps": keep_alive,
            "TerminationProtected": is_protected,
            "InstanceFleets": [
                {
                    "InstanceFleetType": "MASTER",
                    "TargetOnDemandCapacity": 1,
                    "InstanceTypeConfigs": [{"InstanceType": "m6g.xlarge"}],
                }
            ],
        },
        **overrides,
    }


def shell_step(script: str, on_failure: str = "CONTINUE") -> dict[str, Any]:
    """Return a step that runs a shell script."""
    return command_step("/bin/sh", "-c", script, on_failure=on_failure)


def command_step(*command: str, on_failure: str = "CONTINUE") -> dict[str, Any]:
    """Return a step that runs a command."""
    return {
        "Name": command[0],
        "ActionOnFailure": on_failure,
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": list(command)},
    }


def _build_policy(statements: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
