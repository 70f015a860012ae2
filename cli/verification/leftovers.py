"""Check what a run leaves behind: no cluster, and one email that SNS accepted."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from decimal import Decimal

from botocore.exceptions import ClientError

from cli.check_results import CheckResult, fail, ok, warn
from cli.verification.known_batch import ExpectedResults
from cli.verification.verification_run import VerificationRun
from contract.layout import run_report_key
from pipeline.aws.clients import error_code
from pipeline.ledger.keys import NOTIFICATION_PREFIX, run_published_notification
from pipeline.notifications.subscriptions import has_confirmed_subscription

_ENDED_STATES = {"TERMINATED", "TERMINATED_WITH_ERRORS", "TERMINATING"}
CLOCK_DIFFERENCE = timedelta(minutes=1)
"""By how much the clocks of two services may differ."""


def find_clusters(run: VerificationRun) -> dict[str, str]:
    """Return the state of each cluster of the run, by cluster ID."""
    name = f"{run.stack.name} {run.run_id}"
    pages = (
        run.account.client("emr")
        .get_paginator("list_clusters")
        .paginate(CreatedAfter=run.started_at - CLOCK_DIFFERENCE)
    )
    return {
        cluster["Id"]: cluster["Status"]["State"]
        for page in pages
        for cluster in page["Clusters"]
        if cluster["Name"] == name
    }


def check_clusters(clusters: dict[str, str]) -> CheckResult:
    """Check that the run had one cluster, and that none is left.

    Args:
        clusters: The state of each cluster of the run, by cluster ID.
    """
    left = sorted(name for name, state in clusters.items() if state not in _ENDED_STATES)
    if left:
        return fail(
            "cluster",
            f"still active: {', '.join(left)}; terminate with: aws emr terminate-clusters"
            f" --cluster-ids {' '.join(left)}",
        )
    if len(clusters) != 1:
        return fail("cluster", f"the run had {len(clusters)} clusters, expected 1")
    [(cluster_id, state)] = clusters.items()
    return ok("cluster", f"{cluster_id} is {state}, and no other cluster of the run exists")


def check_email(run: VerificationRun, expected: ExpectedResults) -> CheckResult:
    """Check that the email contains the totals, that SNS accepted it, and that somebody gets it."""
    key = run_report_key(run.run_id, "email.txt")
    try:
        body = run.account.client("s3").get_object(Bucket=run.bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error_code(error) != "NoSuchKey":
            raise
        return fail("email", f"{key} does not exist")
    text = body.decode()
    subject = text.partition("\n")[0]
    if not subject.startswith("[Test] Rental KPIs: "):
        return fail("email", f"the subject is {subject!r}, expected '[Test] Rental KPIs: ...'")
    totals = f"{Decimal(expected.revenue):,} from {expected.rentals:,} rentals"
    if totals not in text.splitlines():
        return fail("email", f"{key} does not contain the line {totals!r}")
    item = run.ledger.get(notification_item_key(run_published_notification(run.run_id)))
    if item.get("status") != "COMPLETED":
        return fail("email", "SNS has not accepted the email: see the log of publish_results")
    if not has_confirmed_subscription(run.account.client("sns"), run.stack.outputs["TopicArn"]):
        return warn(
            "email",
            "SNS accepted it, but delivers it to nobody: confirm the subscription in the email from"
            " SNS",
        )
    return ok("email", f"SNS accepted it: {subject}")


def notification_item_key(notification_key: str) -> str:
    """Return the key of the ledger item that the idempotency utility writes for a notification."""
    digest = hashlib.md5(json.dumps(notification_key).encode(), usedforsecurity=False).hexdigest()
    return f"{NOTIFICATION_PREFIX}#{digest}"
