"""An account with what a cluster needs: roles, an instance profile and a bucket."""

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

BUCKET = "emr-lab"
SERVICE_ROLE = "emr-lab-service"
PROFILE = "emr-lab-instances"
ALL_OF_BUCKET = [
    {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
    }
]
OVER = {"COMPLETED", "FAILED", "CANCELLED", "INTERRUPTED"}
ENDED = {"TERMINATED", "TERMINATED_WITH_ERRORS"}


@dataclass
class Lab:
    """What tests of clusters do on a cloud."""

    cloud: Cloud
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client as the account's root, one a service."""
        if service not in self._clients:
            self._clients[service] = self.cloud.client(service)
        return self._clients[service]

    @property
    def emr(self) -> Any:
        return self.client("emr")

    def make_role(self, name: str, trusted: str, statements: Sequence[dict[str, Any]]) -> str:
        """Make the role, or give it other rights; its ARN."""
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": trusted}, "Action": "sts:AssumeRole"}
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document([trust]))
        iam.put_role_policy(
            RoleName=name, PolicyName="rights", PolicyDocument=_document(statements)
        )
        return f"arn:aws:iam::000000000000:role/{name}"

    def as_role(self, role_arn: str, service: str) -> Any:
        """A client with the rights of a role."""
        keys = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="test")
        session = boto3.session.Session(
            aws_access_key_id=keys["Credentials"]["AccessKeyId"],
            aws_secret_access_key=keys["Credentials"]["SecretAccessKey"],
            aws_session_token=keys["Credentials"]["SessionToken"],
            region_name=self.cloud.region,
        )
        make: Any = session.client
        return make(service, endpoint_url=self.cloud.endpoint, verify=str(self.cloud.ca_bundle))

    def run_cluster(self, emr: Any = None, **changes: Any) -> str:
        """Start a cluster with one step at a time, unless told otherwise; its id."""
        answer = (emr or self.emr).run_job_flow(**request(**changes))
        return str(answer["JobFlowId"])

    def add(self, cluster_id: str, *steps: dict[str, Any]) -> list[str]:
        """Add steps; their ids."""
        answer = self.emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=list(steps))
        return list(answer["StepIds"])

    def cluster(self, cluster_id: str) -> dict[str, Any]:
        """The cluster as EMR describes it."""
        found: dict[str, Any] = self.emr.describe_cluster(ClusterId=cluster_id)["Cluster"]
        return found

    def step(self, cluster_id: str, step_id: str) -> dict[str, Any]:
        """The step's status."""
        found = self.emr.describe_step(ClusterId=cluster_id, StepId=step_id)["Step"]
        status: dict[str, Any] = found["Status"]
        return status

    def wait_for_cluster(
        self, cluster_id: str, states: set[str], limit: float = 30.0
    ) -> dict[str, Any]:
        """The cluster's status when it has come to one of the states; AssertionError if late."""
        assert wait_until(lambda: self.cluster(cluster_id)["Status"]["State"] in states, limit), (
            self.cluster(cluster_id)["Status"]
        )
        status: dict[str, Any] = self.cluster(cluster_id)["Status"]
        return status

    def wait_for_step(
        self, cluster_id: str, step_id: str, states: set[str], limit: float = 30.0
    ) -> dict[str, Any]:
        """The step's status when it has come to one of the states; AssertionError if late."""
        assert wait_until(lambda: self.step(cluster_id, step_id)["State"] in states, limit), (
            self.step(cluster_id, step_id)
        )
        return self.step(cluster_id, step_id)

    def log(self, cluster_id: str, step_id: str, name: str) -> str:
        """What a step has left in its `stdout`, `stderr` or `controller`."""
        key = f"logs/{cluster_id}/steps/{step_id}/{name}.gz"
        body = self.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return gzip.decompress(body).decode()

    def put(self, key: str, body: bytes) -> str:
        """Put an object into the bucket; its URI."""
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def keys(self, prefix: str) -> set[str]:
        """The keys below a prefix."""
        pages = self.client("s3").get_paginator("list_objects_v2")
        return {
            found["Key"]
            for page in pages.paginate(Bucket=BUCKET, Prefix=prefix)
            for found in page.get("Contents", [])
        }


def make_lab(cloud: Cloud) -> Lab:
    """Make roles, profile and bucket, unless an earlier call has made them."""
    lab = Lab(cloud)
    s3, iam = lab.client("s3"), lab.client("iam")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": cloud.region}
        )
    lab.make_role(SERVICE_ROLE, "elasticmapreduce.amazonaws.com", ALL_OF_BUCKET)
    lab.make_role(PROFILE, "ec2.amazonaws.com", ALL_OF_BUCKET)
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_instance_profile(InstanceProfileName=PROFILE)
        iam.add_role_to_instance_profile(InstanceProfileName=PROFILE, RoleName=PROFILE)
    return lab


def request(*, keep_alive: bool = True, protected: bool = False, **changes: Any) -> dict[str, Any]:
    """RunJobFlow's arguments."""
    return {
        "Name": "lab",
        "ReleaseLabel": "emr-7.13.0",
        "ServiceRole": SERVICE_ROLE,
        "JobFlowRole": PROFILE,
        "LogUri": f"s3://{BUCKET}/logs/",
        "Instances": {
            "KeepJobFlowAliveWhenNoSteps": keep_alive,
            "TerminationProtected": protected,
            "InstanceFleets": [
                {
                    "InstanceFleetType": "MASTER",
                    "TargetOnDemandCapacity": 1,
                    "InstanceTypeConfigs": [{"InstanceType": "m6g.xlarge"}],
                }
            ],
        },
        **changes,
    }


def shell(script: str, on_failure: str = "CONTINUE") -> dict[str, Any]:
    """A step that runs a few lines of shell."""
    return command("/bin/sh", "-c", script, on_failure=on_failure)


def command(*words: str, on_failure: str = "CONTINUE") -> dict[str, Any]:
    """A step that runs a command."""
    return {
        "Name": words[0],
        "ActionOnFailure": on_failure,
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": list(words)},
    }


def _document(statements: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
