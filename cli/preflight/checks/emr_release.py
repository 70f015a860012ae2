"""Whether EMR offers the release in the region."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from cli.check_results import CheckResult, fail, ok
from cli.preflight.plan import Plan, read_template
from cli.target.account import Account
from pipeline.aws.clients import error_code

SUBJECT = "EMR release"
_MAX_ALTERNATIVES = 3


def check_release(account: Account, plan: Plan) -> Iterator[CheckResult]:
    """Check that the release label exists in the region, and has Spark."""
    emr, label = account.client("emr"), plan.parameters["EmrRelease"]
    try:
        response = emr.describe_release_label(ReleaseLabel=label)
    except ClientError as error:
        if error_code(error) not in {"InvalidRequestException", "ValidationException"}:
            raise
        alternatives = _select_alternatives(_list_labels(emr))
        yield fail(
            SUBJECT,
            f"{label} is not offered in {account.region}: choose another EmrRelease, such as"
            f" {', '.join(alternatives) or 'the default'}",
        )
        return
    versions = {item["Name"]: item["Version"] for item in response.get("Applications", [])}
    if "Spark" not in versions:
        yield fail(SUBJECT, f"{label} has no Spark: choose another EmrRelease")
        return
    yield ok(SUBJECT, f"{label} is offered in {account.region}, with Spark {versions['Spark']}")


def _list_labels(emr: Any) -> Iterator[str]:
    """Yield the labels that the region offers. boto3 has no paginator for them."""
    request: dict[str, str] = {}
    while True:
        response = emr.list_release_labels(**request)
        yield from response.get("ReleaseLabels", [])
        if not response.get("NextToken"):
            return
        request = {"NextToken": response["NextToken"]}


def _select_alternatives(labels: Iterable[str]) -> list[str]:
    """Return the newest labels that the template accepts."""
    pattern = read_template()["Parameters"]["EmrRelease"]["AllowedPattern"]
    accepted = [label for label in labels if re.fullmatch(pattern, label)]
    newest = sorted(accepted, key=_parse_version, reverse=True)
    return newest[:_MAX_ALTERNATIVES]


def _parse_version(label: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", label)]
