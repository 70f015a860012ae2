"""What is kept, for how long, and under which key."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

from contract import layout
from contract.datasets import USERS
from contract.kpi_tables import DAILY_METRICS
from pipeline.ledger import run_ledger
from tests.infra import asl
from tests.infra.template import resource, resources, template

BUCKET = resource("DataBucket")
LEDGER = resource("LedgerTable")
LIFECYCLE = {rule["Id"]: rule for rule in BUCKET["LifecycleConfiguration"]["Rules"]}
EXPIRING = {rule["Prefix"]: rule for rule in LIFECYCLE.values() if "Prefix" in rule}
ANSWERS = resource("KpiWorkgroup")["WorkGroupConfiguration"]["ResultConfiguration"]
KEY = ({"Fn::GetAtt": ["DataKey", "Arn"]}, {"Ref": "DataKey"})


def _folder(key: str) -> str:
    return key.partition("/")[0] + "/"


# How long what lies there is kept: by the parameter whose description says so.
DAYS = {
    layout.RAW_PREFIX: "InputRetentionDays",
    _folder(layout.pinned_prefix("run")): "InputRetentionDays",
    _folder(layout.step_logs_prefix("j-1", "s-1")): "LogRetentionDays",
    ANSWERS["OutputLocation"]["Fn::Sub"].removeprefix("s3://${DataBucket}/"): "LogRetentionDays",
    _folder(layout.curated_prefix(USERS, "run")): "OutputRetentionDays",
    _folder(layout.quarantine_prefix(USERS, "run")): "OutputRetentionDays",
    _folder(layout.kpi_prefix(DAILY_METRICS, "run")): "OutputRetentionDays",
    _folder(layout.run_report_key("run", "email.txt")): "OutputRetentionDays",
}
# Readers find the published run there, and reruns the jobs: small, and never out of date.
STAYS = {
    layout.PUBLISHED_RUNS_PREFIX,
    _folder(layout.job_report_key(layout.KPI_JOB, "run")),
    _folder(layout.scripts_prefix("0123abcd")),
}


@pytest.mark.parametrize("name", ["DataKey", "DataBucket", "LedgerTable"])
def test_data_outlives_the_stack(name: str) -> None:
    """A first deployment that fails has no data, and leaves nothing in the way of the next."""
    found = template()["Resources"][name]
    assert found["DeletionPolicy"] == "RetainExceptOnCreate"
    assert found["UpdateReplacePolicy"] == "Retain"


def test_every_folder_is_kept_as_long_as_its_parameter_says() -> None:
    kept = {prefix: rule["ExpirationInDays"] for prefix, rule in EXPIRING.items()}
    assert kept == {prefix: {"Ref": name} for prefix, name in DAYS.items()}


def test_no_rule_reaches_what_readers_and_reruns_need() -> None:
    for folder in STAYS:
        assert not [prefix for prefix in EXPIRING if folder.startswith(prefix)]


@pytest.mark.parametrize("prefix", EXPIRING)
def test_what_has_expired_does_not_live_on_as_an_old_version(prefix: str) -> None:
    """Only a dropped file does: a run may be repeated from a version that was overwritten."""
    days = EXPIRING[prefix]["NoncurrentVersionExpiration"]["NoncurrentDays"]
    assert days == ({"Ref": "InputRetentionDays"} if prefix == layout.RAW_PREFIX else 1)


def test_leftovers_do_not_stay_for_ever() -> None:
    """Parts of uploads that nobody ended, which no list shows and which are paid for."""
    assert all(rule["Status"] == "Enabled" for rule in LIFECYCLE.values())
    leftovers = LIFECYCLE["leftovers"]
    # Longer than any copy takes: PinInputs has minutes, a job hours.
    assert 1 <= leftovers["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] <= 7
    assert leftovers["ExpiredObjectDeleteMarker"] is True


def test_the_bucket_tells_of_what_is_dropped() -> None:
    """UploadRule hears nothing otherwise, and no run ever starts."""
    events = BUCKET["NotificationConfiguration"]["EventBridgeConfiguration"]
    assert events == {"EventBridgeEnabled": True}


def test_the_bucket_keeps_versions() -> None:
    """A run is made of the versions that were checked, whatever is dropped over them."""
    assert BUCKET["VersioningConfiguration"] == {"Status": "Enabled"}


def test_the_ledger_forgets_by_the_attribute_that_is_written() -> None:
    """Three write it: the state machine, the watchdog, and powertools for mails that were sent."""
    expires = re.compile(r"(\w+) = :expiration\b")
    written = set(expires.findall(asl.source())) | set(
        expires.findall(inspect.getsource(run_ledger))
    )
    parameters = inspect.signature(DynamoDBPersistenceLayer.__init__).parameters
    written.add(parameters["expiry_attr"].default)
    forgets = LEDGER["TimeToLiveSpecification"]
    assert (written, forgets["Enabled"]) == ({forgets["AttributeName"]}, True)


def test_the_ledgers_items_have_the_key_that_is_written() -> None:
    parameters = inspect.signature(DynamoDBPersistenceLayer.__init__).parameters
    [key] = LEDGER["KeySchema"]
    assert key == {"AttributeName": parameters["key_attr"].default, "KeyType": "HASH"}


def _keys() -> dict[str, Any]:
    """For everything that holds data, the key that it is told to encrypt with."""
    [bucket] = BUCKET["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    cluster = resource("EmrSecurityConfiguration")["SecurityConfiguration"]
    at_rest = cluster["EncryptionConfiguration"]["AtRestEncryptionConfiguration"]
    groups, queues = resources("AWS::Logs::LogGroup"), resources("AWS::SQS::Queue")
    return {
        "bucket": bucket["ServerSideEncryptionByDefault"]["KMSMasterKeyID"],
        "ledger": LEDGER["SSESpecification"]["KMSMasterKeyId"],
        "topic": resource("ReportTopic")["KmsMasterKeyId"],
        "answers of queries": ANSWERS["EncryptionConfiguration"]["KmsKey"],
        "what clusters write": at_rest["S3EncryptionConfiguration"]["AwsKmsKey"],
        "disks of clusters": at_rest["LocalDiskEncryptionConfiguration"]["AwsKmsKey"],
        **{name: group["KmsKeyId"] for name, group in groups.items()},
        **{name: queue["KmsMasterKeyId"] for name, queue in queues.items()},
    }


@pytest.mark.parametrize(("name", "key"), _keys().items())
def test_everything_at_rest_is_encrypted_with_the_one_key(name: str, key: Any) -> None:
    assert key in KEY, name


def test_the_key_is_asked_for_wherever_one_can_be_named() -> None:
    """A key that is named beside a switch that is off encrypts nothing."""
    [bucket] = BUCKET["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert bucket["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert bucket["BucketKeyEnabled"] is True  # or every object is a request that KMS charges for
    assert LEDGER["SSESpecification"]["SSEEnabled"] is True
    assert ANSWERS["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"
    cluster = resource("EmrSecurityConfiguration")["SecurityConfiguration"]
    encryption = cluster["EncryptionConfiguration"]
    assert encryption["EnableAtRestEncryption"] is True
    at_rest = encryption["AtRestEncryptionConfiguration"]
    assert at_rest["S3EncryptionConfiguration"]["EncryptionMode"] == "SSE-KMS"
    assert at_rest["LocalDiskEncryptionConfiguration"]["EncryptionKeyProviderType"] == "AwsKms"
    assert at_rest["LocalDiskEncryptionConfiguration"]["EnableEbsEncryption"] is True


def test_nobody_reads_an_instances_credentials_through_a_job() -> None:
    """Version 2 of the metadata service wants a token, which a request from outside cannot get."""
    cluster = resource("EmrSecurityConfiguration")["SecurityConfiguration"]
    assert cluster["InstanceMetadataServiceConfiguration"] == {
        "MinimumInstanceMetadataServiceVersion": 2,
        "HttpPutResponseHopLimit": 1,
    }
