"""The Glue database of the stack, and whether Lake Formation controls it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from cli.check_results import CheckResult, fail, ok, warn
from cli.preflight.plan import Plan
from cli.target.account import Account
from pipeline.aws.clients import error_code

DATABASE_SUBJECT = "Glue database"
LAKE_FORMATION_SUBJECT = "Lake Formation"
_IAM_PRINCIPALS = "IAM_ALLOWED_PRINCIPALS"


def check_database(account: Account, plan: Plan) -> Iterator[CheckResult]:
    """Check that the database of the stack does not exist yet, unless it belongs to the stack."""
    try:
        account.client("glue").get_database(Name=plan.database)
    except ClientError as error:
        if error_code(error) != "EntityNotFoundException":
            raise
        yield ok(DATABASE_SUBJECT, f"{plan.database} does not exist yet")
        return
    if plan.deployed and _belongs_to_stack(account, plan):
        yield ok(DATABASE_SUBJECT, f"{plan.database} belongs to the stack {plan.stack}")
        return
    yield fail(
        DATABASE_SUBJECT,
        f"{plan.database} exists already, but the stack creates it: delete it, or use another"
        " account or region",
    )


def _belongs_to_stack(account: Account, plan: Plan) -> bool:
    resource = account.client("cloudformation").describe_stack_resource(
        StackName=plan.stack, LogicalResourceId="KpiDatabase"
    )
    return bool(resource["StackResourceDetail"]["PhysicalResourceId"] == plan.database)


def check_lake_formation(account: Account) -> Iterator[CheckResult]:
    """Check that IAM alone controls a new database and its tables."""
    settings = account.client("lakeformation").get_data_lake_settings()["DataLakeSettings"]
    fields = {
        "CreateDatabaseDefaultPermissions": "databases",
        "CreateTableDefaultPermissions": "tables",
    }
    controlled = [
        kind for field, kind in fields.items() if not _uses_iam_only(settings.get(field, []))
    ]
    if not controlled:
        yield ok(LAKE_FORMATION_SUBJECT, "IAM controls new databases and tables")
        return
    yield warn(
        LAKE_FORMATION_SUBJECT,
        f"it controls new {' and '.join(controlled)}, so the first run would lack permissions:"
        " grant them after the deployment, as docs/operations.md describes under Lake Formation",
    )


def _uses_iam_only(permissions: list[dict[str, Any]]) -> bool:
    return any(
        entry["Principal"].get("DataLakePrincipalIdentifier") == _IAM_PRINCIPALS
        and "ALL" in entry["Permissions"]
        for entry in permissions
    )
