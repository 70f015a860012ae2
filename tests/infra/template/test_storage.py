"""Retention and encryption of all stored data."""

from __future__ import annotations

import inspect
import re
from datetime import timedelta
from typing import Any

import pytest
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

from contract import layout
from contract.datasets import USERS
from contract.kpi_tables import DAILY_METRICS
from pipeline.intake.current_versions import MAX_UNRECORDED_AGE
from pipeline.ledger.keys import EXPIRATION, OPEN, OPEN_ITEMS, OPEN_RUN
from tests.infra.support import asl
from tests.infra.support.template import resource, resources, template

BUCKET = resource("DataBucket")
LEDGER = resource("LedgerTable")
LIFECYCLE_RULES = {rule["Id"]: rule for rule in BUCKET["LifecycleConfiguration"]["Rules"]}
EXPIRATION_RULES = {rule["Prefix"]: rule for rule in LIFECYCLE_RULES.values() if "Prefix" in rule}
QUERY_RESULTS = resource("KpiWorkgroup")["WorkGroupConfiguration"]["ResultConfiguration"]
KEY_REFERENCES = ({"Fn::GetAtt": ["DataKey", "Arn"]}, {"Ref": "DataKey"})


def _folder(key: str) -> str:
    return key.partition("/")[0] + "/"


# The parameter with the retention period of each folder.
RETENTION_PARAMETERS = {
    layout.RAW_PREFIX: "InputRetentionDays",
    _folder(layout.pinned_prefix("run")): "InputRetentionDays",
    _folder(layout.step_logs_prefix("j-1", "s-1")): "LogRetentionDays",
    QUERY_RESULTS["OutputLocation"]["Fn::Sub"].removeprefix(
        "s3://${DataBucket}/"
    ): "LogRetentionDays",
    _folder(layout.curated_prefix(USERS, "run")): "OutputRetentionDays",
    _folder(layout.quarantine_prefix(USERS, "run")): "OutputRetentionDays",
    _folder(layout.kpi_prefix(DAILY_METRICS, "run")): "OutputRetentionDays",
    _folder(layout.run_report_key("run", "email.txt")): "OutputRetentionDays",
}
# Folders without expiration: readers need the published runs, and reruns need the scripts.
PERMANENT_FOLDERS = {
    layout.PUBLISHED_RUNS_PREFIX,
    _folder(layout.job_report_key(layout.KPI_JOB, "run")),
    _folder(layout.scripts_prefix("0123abcd")),
}


@pytest.mark.parametrize("name", ["DataKey", "DataBucket", "LedgerTable"])
def test_data_is_retained_when_the_stack_is_deleted(name: str) -> None:
    """A first deployment that fails has no data, and leaves nothing that blocks the next one."""
    definition = template()["Resources"][name]
    assert definition["DeletionPolicy"] == "RetainExceptOnCreate"
    assert definition["UpdateReplacePolicy"] == "Retain"


def test_folders_expire_by_their_retention_parameter() -> None:
    expirations = {prefix: rule["ExpirationInDays"] for prefix, rule in EXPIRATION_RULES.items()}
    by_parameter = {prefix: {"Ref": name} for prefix, name in RETENTION_PARAMETERS.items()}
    # The files of an interrupted verification are of no use on the next day.
    assert expirations == by_parameter | {layout.VERIFICATION_PREFIX: 1}


def test_permanent_folders_do_not_expire() -> None:
    for folder in PERMANENT_FOLDERS:
        assert not [prefix for prefix in EXPIRATION_RULES if folder.startswith(prefix)]


@pytest.mark.parametrize("prefix", EXPIRATION_RULES)
def test_noncurrent_versions_expire_soon_except_for_uploads(prefix: str) -> None:
    """A run can be repeated from a version of an upload that was overwritten."""
    days = EXPIRATION_RULES[prefix]["NoncurrentVersionExpiration"]["NoncurrentDays"]
    assert days == ({"Ref": "InputRetentionDays"} if prefix == layout.RAW_PREFIX else 1)


def test_incomplete_uploads_and_delete_markers_are_removed() -> None:
    """Parts of incomplete multipart uploads incur costs, but do not appear in listings."""
    assert all(rule["Status"] == "Enabled" for rule in LIFECYCLE_RULES.values())
    cleanup = LIFECYCLE_RULES["cleanup"]
    # No upload takes this long: PinInputs has minutes, and a job has hours.
    assert 1 <= cleanup["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] <= 7
    assert cleanup["ExpiredObjectDeleteMarker"] is True


def test_bucket_sends_events_to_eventbridge() -> None:
    """Otherwise, UploadRule receives no events, and no run ever starts."""
    events = BUCKET["NotificationConfiguration"]["EventBridgeConfiguration"]
    assert events == {"EventBridgeEnabled": True}


def test_bucket_is_versioned() -> None:
    """A run reads the versions that were checked, even if they are overwritten."""
    assert BUCKET["VersioningConfiguration"] == {"Status": "Enabled"}


def test_ledger_expires_items_by_the_attribute_that_is_written() -> None:
    """The state machine and the functions must write the same attribute."""
    written = {EXPIRATION, *re.findall(r"(\w+) = :expiration\b", asl.read_source())}
    time_to_live = LEDGER["TimeToLiveSpecification"]
    assert (written, time_to_live["Enabled"]) == ({time_to_live["AttributeName"]}, True)


def test_ledger_items_are_kept_as_long_as_step_functions_reserves_names() -> None:
    """Step Functions keeps an execution, and reserves its name, for 90 days."""
    retention = template()["Parameters"]["LedgerRetentionDays"]
    assert retention["Default"] >= retention["MinValue"] >= 90


def test_ledger_remembers_claims_as_long_as_versions_are_recorded_without_an_event() -> None:
    """Otherwise, the files of an earlier run could become part of another one."""
    retention = template()["Parameters"]["LedgerRetentionDays"]
    assert timedelta(days=retention["MinValue"]) >= MAX_UNRECORDED_AGE


def test_ledger_key_is_the_key_that_is_written() -> None:
    parameters = inspect.signature(DynamoDBPersistenceLayer.__init__).parameters
    [key] = LEDGER["KeySchema"]
    assert key == {"AttributeName": parameters["key_attr"].default, "KeyType": "HASH"}


def test_index_of_open_items_is_the_one_that_is_queried() -> None:
    """The watchdog reads complete items from it, and only items that have its key are in it."""
    [index] = LEDGER["GlobalSecondaryIndexes"]
    assert index == {
        "IndexName": OPEN_ITEMS,
        "KeySchema": [{"AttributeName": OPEN, "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    attributes: list[dict[str, str]] = LEDGER["AttributeDefinitions"]
    definitions = {part["AttributeName"]: part["AttributeType"] for part in attributes}
    assert definitions == {LEDGER["KeySchema"][0]["AttributeName"]: "S", OPEN: "S"}


def test_state_machine_opens_and_closes_its_item() -> None:
    """An item that stays open is read by every sweep."""
    states = asl.load_definition()["States"]
    started = states["RecordStarted"]["Arguments"]
    assert started["ExpressionAttributeValues"][":open"] == {"S": OPEN_RUN}
    assert started["ExpressionAttributeNames"]["#open"] == OPEN
    for state in ("RecordPublished", "RecordFailed"):
        arguments = states[state]["Arguments"]
        assert re.search(r"REMOVE [^:]*#open$", arguments["UpdateExpression"])
        assert arguments["ExpressionAttributeNames"]["#open"] == OPEN


def _keys() -> dict[str, Any]:
    """Return the configured encryption key of everything that stores data."""
    [bucket] = BUCKET["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    cluster = resource("EmrSecurityConfiguration")["SecurityConfiguration"]
    at_rest = cluster["EncryptionConfiguration"]["AtRestEncryptionConfiguration"]
    groups, queues = resources("AWS::Logs::LogGroup"), resources("AWS::SQS::Queue")
    return {
        "bucket": bucket["ServerSideEncryptionByDefault"]["KMSMasterKeyID"],
        "ledger": LEDGER["SSESpecification"]["KMSMasterKeyId"],
        "topic": resource("ReportTopic")["KmsMasterKeyId"],
        "query results": QUERY_RESULTS["EncryptionConfiguration"]["KmsKey"],
        "objects written by clusters": at_rest["S3EncryptionConfiguration"]["AwsKmsKey"],
        "disks of clusters": at_rest["LocalDiskEncryptionConfiguration"]["AwsKmsKey"],
        **{name: group["KmsKeyId"] for name, group in groups.items()},
        **{name: queue["KmsMasterKeyId"] for name, queue in queues.items()},
    }


@pytest.mark.parametrize(("name", "key"), _keys().items())
def test_data_at_rest_is_encrypted_with_the_data_key(name: str, key: Any) -> None:
    assert key in KEY_REFERENCES, name


def test_encryption_with_the_key_is_enabled() -> None:
    """A configured key has no effect while encryption is disabled."""
    [bucket] = BUCKET["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert bucket["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert bucket["BucketKeyEnabled"] is True  # Otherwise, every object costs a KMS request.
    assert LEDGER["SSESpecification"]["SSEEnabled"] is True
    assert QUERY_RESULTS["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"
    cluster = resource("EmrSecurityConfiguration")["SecurityConfiguration"]
    encryption = cluster["EncryptionConfiguration"]
    assert encryption["EnableAtRestEncryption"] is True
    at_rest = encryption["AtRestEncryptionConfiguration"]
    assert at_rest["S3EncryptionConfiguration"]["EncryptionMode"] == "SSE-KMS"
    assert at_rest["LocalDiskEncryptionConfiguration"]["EncryptionKeyProviderType"] == "AwsKms"
    assert at_rest["LocalDiskEncryptionConfiguration"]["EnableEbsEncryption"] is True


def test_clusters_require_version_2_of_the_metadata_service() -> None:
    """Version 2 requires a token, so a forged request cannot read the instance credentials."""
    cluster = resource("EmrSecurityConfiguration")["SecurityConfiguration"]
    assert cluster["InstanceMetadataServiceConfiguration"] == {
        "MinimumInstanceMetadataServiceVersion": 2,
        "HttpPutResponseHopLimit": 1,
    }
