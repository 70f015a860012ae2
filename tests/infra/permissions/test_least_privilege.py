"""Least privilege: each role has the permissions that the source requires, and no others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from contract.layout import RAW_PREFIX
from tests.infra.support.required_permissions import permission_problems
from tests.infra.support.template import (
    FUNCTION,
    actions,
    as_list,
    read_text,
    resource,
    resources,
    role_of,
    statements,
    template,
)

# One worker runs these tests, because type-checking all handlers is slow and its result is cached.
pytestmark = pytest.mark.xdist_group("template_permissions")

FUNCTIONS = sorted(resources(FUNCTION))
ROLES = sorted(resources("AWS::IAM::Role"))


@pytest.mark.parametrize("role", ROLES)
def test_role_has_exactly_the_required_permissions(role: str) -> None:
    assert permission_problems(role, statements(role)) == []


def test_each_function_has_its_own_role() -> None:
    roles = [role_of(function) for function in FUNCTIONS]
    assert len(set(roles)) == len(roles)
    assert set(roles) == {f"{name.removesuffix('Function')}Role" for name in FUNCTIONS}


@pytest.mark.parametrize("role", ROLES)
def test_role_has_no_wildcard_actions(role: str) -> None:
    assert not [action for action in actions(role) if "*" in action]


@pytest.mark.parametrize("role", ROLES)
def test_statements_of_role_have_unique_sids(role: str) -> None:
    names = [statement["Sid"] for statement in statements(role)]
    assert len(set(names)) == len(names)


def test_only_the_emr_service_role_has_a_managed_policy() -> None:
    managed = {role: resource(role).get("ManagedPolicyArns", []) for role in ROLES}
    assert {role: arns for role, arns in managed.items() if arns} == {
        "EmrServiceRole": [
            {
                "Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/"
                "service-role/AmazonEMRServicePolicy_v2"
            }
        ]
    }


@pytest.mark.parametrize("role", ROLES)
def test_role_trusts_one_service(role: str) -> None:
    services = {
        "PipelineRole": "states.amazonaws.com",
        "EmrServiceRole": "elasticmapreduce.amazonaws.com",
        "EmrInstanceRole": {"Fn::Sub": "ec2.${AWS::URLSuffix}"},
        "CrawlerRole": "glue.amazonaws.com",
    }
    [trust] = resource(role)["AssumeRolePolicyDocument"]["Statement"]
    assert (trust["Effect"], trust["Action"]) == ("Allow", "sts:AssumeRole")
    assert trust["Principal"] == {"Service": services.get(role, "lambda.amazonaws.com")}


def _policy_statements(node: Any) -> list[dict[str, Any]]:
    """Return every statement of every policy below a node of the template."""
    if isinstance(node, list):
        return [statement for item in node for statement in _policy_statements(item)]
    if not isinstance(node, dict):
        return []
    direct = as_list(node["Statement"]) if "Statement" in node else []
    return direct + [
        statement for value in node.values() for statement in _policy_statements(value)
    ]


def test_every_wildcard_resource_has_a_reason_in_a_comment() -> None:
    wildcards = [
        statement
        for statement in _policy_statements(template())
        if "*" in map(str, as_list(statement.get("Resource")))
    ]
    comments = re.findall(r'Resource: "\*"(.*)', read_text())
    assert len(comments) == len(wildcards)  # No wildcard uses another notation.
    assert all(re.fullmatch(r" # \w.{10,}", comment) for comment in comments)


def _object_keys_of(role: str) -> set[str]:
    """Return the object keys in the S3 statements of a role."""
    return {
        arn["Fn::Sub"].removeprefix("${DataBucket.Arn}/")
        for statement in statements(role)
        for arn in as_list(statement["Resource"])
        if any(action.startswith("s3:") for action in as_list(statement["Action"]))
        and "Fn::Sub" in arn
    }


@pytest.mark.parametrize("role", ROLES)
def test_role_cannot_access_all_objects(role: str) -> None:
    assert "*" not in _object_keys_of(role)


def _resources_for(role: str, action: str) -> set[str]:
    return {
        arn["Fn::Sub"].removeprefix("${DataBucket.Arn}/")
        for statement in statements(role)
        for arn in as_list(statement["Resource"])
        if action in as_list(statement["Action"]) and "Fn::Sub" in arn
    }


@pytest.mark.parametrize("role", ROLES)
def test_role_cannot_write_uploads(role: str) -> None:
    written = _resources_for(role, "s3:PutObject") | _resources_for(role, "s3:DeleteObject")
    assert not [key for key in written if key.startswith(RAW_PREFIX.rstrip("/"))]


def test_pipeline_passes_each_role_to_its_service_only() -> None:
    pass_role_statements = [
        statement
        for statement in statements("PipelineRole")
        if statement["Action"] == "iam:PassRole"
    ]
    services = {
        statement["Resource"]["Fn::GetAtt"][0]: statement["Condition"]["StringEquals"]
        for statement in pass_role_statements
    }
    assert services == {
        "EmrServiceRole": {"iam:PassedToService": "elasticmapreduce.amazonaws.com"},
        "EmrInstanceRole": {"iam:PassedToService": "ec2.amazonaws.com"},
    }


def test_crawler_reads_its_targets_and_writes_history_tables() -> None:
    targets = resource("KpiCrawler")["Targets"]["S3Targets"]
    folders = {target["Path"]["Fn::Sub"].split("/")[3] for target in targets}
    assert _resources_for("CrawlerRole", "s3:GetObject") == {f"{folder}/*" for folder in folders}
    (tables,) = (
        arn for arn in _resources_for("CrawlerRole", "glue:CreateTable") if ":table/" in arn
    )
    assert tables.endswith("table/${KpiDatabase}/history_*")
