"""The checks of the catalog, the service-linked roles, and the functions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from cli.preflight.checks.catalog import check_database, check_lake_formation
from cli.preflight.checks.functions import check_concurrency, check_python
from cli.preflight.checks.service_roles import check_service_roles
from cli.preflight.plan import Plan, make_plan
from cli.target.stack import Stack
from tests.support.accounts import Denied, StubbedAccount, describe_results

STACK = Stack("rental-kpi", {}, {"SubnetId": "subnet-1", "ReceiveUploadConcurrency": "5"})
IAM_ONLY = [
    {"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}, "Permissions": ["ALL"]}
]
DATABASE = {"Database": {"Name": "rental_kpi"}}
ROLE = {
    "Path": "/",
    "RoleName": "role",
    "RoleId": "AROAXXXXXXXXXXXXXXXXX",
    "Arn": "arn:aws:iam::123456789012:role/teams/admin",
    "CreateDate": "2026-01-01",
}


def test_database_that_does_not_exist(stub: StubbedAccount, plan: Plan) -> None:
    stub.respond("glue", "get_database", Denied("EntityNotFoundException"))
    assert describe_results(check_database(stub.account, plan)) == [
        ("OK", "rental_kpi does not exist yet")
    ]


def test_database_of_another_owner(stub: StubbedAccount, plan: Plan) -> None:
    stub.respond("glue", "get_database", DATABASE, {"Name": "rental_kpi"})
    [(status, text)] = describe_results(check_database(stub.account, plan))
    assert status == "FAILED"
    assert text.startswith("rental_kpi exists already, but the stack creates it: delete it")


@pytest.mark.parametrize(("physical_id", "status"), [("rental_kpi", "OK"), ("other", "FAILED")])
def test_database_of_the_stack(stub: StubbedAccount, physical_id: str, status: str) -> None:
    plan = make_plan("rental-kpi", STACK, "", [])
    stub.respond("glue", "get_database", DATABASE)
    resource = {
        "LogicalResourceId": "KpiDatabase",
        "PhysicalResourceId": physical_id,
        "ResourceType": "AWS::Glue::Database",
        "LastUpdatedTimestamp": "2026-01-01",
        "ResourceStatus": "CREATE_COMPLETE",
    }
    stub.respond(
        "cloudformation",
        "describe_stack_resource",
        {"StackResourceDetail": resource},
        {"StackName": "rental-kpi", "LogicalResourceId": "KpiDatabase"},
    )
    assert describe_results(check_database(stub.account, plan))[0][0] == status


@pytest.mark.parametrize(
    ("databases", "tables", "status", "text"),
    [
        (IAM_ONLY, IAM_ONLY, "OK", "IAM controls new databases and tables"),
        ([], IAM_ONLY, "WARNING", "it controls new databases, so the first run would lack"),
        ([], [], "WARNING", "it controls new databases and tables, so the first run would lack"),
    ],
)
def test_lake_formation(
    stub: StubbedAccount, databases: list[Any], tables: list[Any], status: str, text: str
) -> None:
    settings = {
        "CreateDatabaseDefaultPermissions": databases,
        "CreateTableDefaultPermissions": tables,
    }
    stub.respond("lakeformation", "get_data_lake_settings", {"DataLakeSettings": settings})
    [result] = describe_results(check_lake_formation(stub.account))
    assert result[0] == status
    assert result[1].startswith(text)


def test_service_linked_roles_exist(stub: StubbedAccount, plan: Plan) -> None:
    for name in ("AWSServiceRoleForEMRCleanup", "AWSServiceRoleForEC2Spot"):
        stub.respond("iam", "get_role", {"Role": ROLE}, {"RoleName": name})
    assert describe_results(check_service_roles(stub.account, plan)) == [("OK", "all exist")]


def simulate(stub: StubbedAccount, source: str, *, is_allowed: bool) -> None:
    """Prepare the result of the simulation for a principal."""
    stub.respond(
        "iam",
        "simulate_principal_policy",
        {
            "EvaluationResults": [
                {
                    "EvalActionName": "iam:CreateServiceLinkedRole",
                    "EvalDecision": "implicitDeny",
                    "OrganizationsDecisionDetail": {"AllowedByOrganizations": is_allowed},
                }
            ]
        },
        {"PolicySourceArn": source, "ActionNames": ["iam:CreateServiceLinkedRole"]},
    )


def test_first_run_creates_missing_roles(stub: StubbedAccount) -> None:
    plan = make_plan("rental-kpi", None, "subnet-1", ["SpotPercent=0"])
    stub.respond("iam", "get_role", Denied("NoSuchEntity"))
    simulate(stub, "arn:aws:iam::123456789012:user/deployer", is_allowed=True)
    assert describe_results(check_service_roles(stub.account, plan)) == [
        ("OK", "the first run creates AWSServiceRoleForEMRCleanup")
    ]


def test_organization_can_deny_creating_the_roles(stub: StubbedAccount, plan: Plan) -> None:
    stub.caller_arn = "arn:aws:sts::123456789012:assumed-role/admin/session"
    for _ in range(2):
        stub.respond("iam", "get_role", Denied("NoSuchEntity"))
    stub.respond("iam", "get_role", {"Role": ROLE}, {"RoleName": "admin"})
    simulate(stub, "arn:aws:iam::123456789012:role/teams/admin", is_allowed=False)
    results = describe_results(check_service_roles(stub.account, plan))
    assert [status for status, _ in results] == ["FAILED", "FAILED"]
    assert results[1][1].endswith("--aws-service-name spot.amazonaws.com")


def test_root_user_is_not_simulated(stub: StubbedAccount, plan: Plan) -> None:
    stub.caller_arn = "arn:aws:iam::123456789012:root"
    for _ in range(2):
        stub.respond("iam", "get_role", Denied("NoSuchEntity"))
    [(status, _)] = describe_results(check_service_roles(stub.account, plan))
    assert status == "OK"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found."""
    shell = shutil.which("sh")
    assert shell
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def add_program(folder: Path, name: str, exit_code: int) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\nexit {exit_code}\n")
    program.chmod(0o755)


def test_python_of_the_runtime(programs: Path, plan: Plan) -> None:
    add_program(programs, "python3.13", 0)
    assert describe_results(check_python(plan)) == [
        ("OK", f"python3.13 is {programs / 'python3.13'}")
    ]


@pytest.mark.parametrize("is_shim", [True, False])
def test_missing_python_is_no_failure(programs: Path, plan: Plan, *, is_shim: bool) -> None:
    """A version manager has a program for every version, which fails if it is not installed."""
    if is_shim:
        add_program(programs, "python3.13", 127)
    [(status, text)] = describe_results(check_python(plan))
    assert status == "WARNING"
    assert "or use ./run deploy (it builds with Python 3." in text


def limit(stub: StubbedAccount, total: int, unreserved: int) -> None:
    """Prepare the concurrency limits of the account."""
    stub.respond(
        "lambda",
        "get_account_settings",
        {
            "AccountLimit": {
                "ConcurrentExecutions": total,
                "UnreservedConcurrentExecutions": unreserved,
            }
        },
    )


def test_no_reservation_needs_no_check(stub: StubbedAccount, plan: Plan) -> None:
    assert describe_results(check_concurrency(stub.account, plan)) == []


@pytest.mark.parametrize(
    ("reserved", "total", "unreserved", "status"),
    [(900, 1000, 1000, "OK"), (901, 1000, 1000, "FAILED"), (1, 10, 10, "FAILED")],
)
def test_reservation_must_leave_enough(
    stub: StubbedAccount, reserved: int, total: int, unreserved: int, status: str
) -> None:
    override = f"ReceiveUploadConcurrency={reserved}"
    limit(stub, total, unreserved)
    plan = make_plan("rental-kpi", None, "subnet-1", [override])
    assert describe_results(check_concurrency(stub.account, plan))[0][0] == status


def test_reservation_of_the_deployed_stack_is_available_again(stub: StubbedAccount) -> None:
    limit(stub, 1000, 104)
    plan = make_plan("rental-kpi", STACK, "", ["ReceiveUploadConcurrency=9"])
    assert describe_results(check_concurrency(stub.account, plan)) == [
        ("OK", "9 of 9 that can be reserved")
    ]
