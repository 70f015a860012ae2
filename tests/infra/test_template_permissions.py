"""Least privilege: each role has what the source asks for, and nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from contract.layout import RAW_PREFIX
from tests.infra.template import (
    FUNCTION,
    actions,
    as_list,
    resource,
    resources,
    role_of,
    statements,
    template,
    text,
)
from tests.infra.template_needs import complaints

# What has the types of all handlers is made once, by one worker.
pytestmark = pytest.mark.xdist_group("template_permissions")

FUNCTIONS = sorted(resources(FUNCTION))
ROLES = sorted(resources("AWS::IAM::Role"))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_it_is_there_for_and_no_more(role: str) -> None:
    assert complaints(role, statements(role)) == []


def test_each_function_has_a_role_of_its_own() -> None:
    roles = [role_of(function) for function in FUNCTIONS]
    assert len(set(roles)) == len(roles)
    assert set(roles) == {f"{name.removesuffix('Function')}Role" for name in FUNCTIONS}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_names_actions_one_by_one(role: str) -> None:
    assert not [action for action in actions(role) if "*" in action]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_names_each_statement(role: str) -> None:
    names = [found["Sid"] for found in statements(role)]
    assert len(set(names)) == len(names)


def test_the_service_of_the_clusters_alone_has_a_policy_of_others() -> None:
    managed = {role: resource(role).get("ManagedPolicyArns", []) for role in ROLES}
    assert {role: found for role, found in managed.items() if found} == {
        "EmrServiceRole": [
            {
                "Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/"
                "service-role/AmazonEMRServicePolicy_v2"
            }
        ]
    }


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_taken_by_the_one_service_that_it_is_for(role: str) -> None:
    services = {
        "PipelineRole": "states.amazonaws.com",
        "EmrServiceRole": "elasticmapreduce.amazonaws.com",
        "EmrInstanceRole": {"Fn::Sub": "ec2.${AWS::URLSuffix}"},
        "CrawlerRole": "glue.amazonaws.com",
    }
    [trust] = resource(role)["AssumeRolePolicyDocument"]["Statement"]
    assert (trust["Effect"], trust["Action"]) == ("Allow", "sts:AssumeRole")
    assert trust["Principal"] == {"Service": services.get(role, "lambda.amazonaws.com")}


def _policies(node: Any) -> list[dict[str, Any]]:
    """Every statement of every policy in a piece of the template."""
    if isinstance(node, list):
        return [found for item in node for found in _policies(item)]
    if not isinstance(node, dict):
        return []
    here = as_list(node["Statement"]) if "Statement" in node else []
    return here + [found for value in node.values() for found in _policies(value)]


def test_every_star_for_a_resource_has_its_reason_beside_it() -> None:
    stars = [
        found for found in _policies(template()) if "*" in map(str, as_list(found.get("Resource")))
    ]
    lines = re.findall(r'Resource: "\*"(.*)', text())
    assert len(lines) == len(stars)  # none is written in another form
    assert all(re.fullmatch(r" # \w.{10,}", line) for line in lines)


def _objects_of(role: str) -> set[str]:
    """The keys in the bucket that a role's statements about S3 name."""
    return {
        arn["Fn::Sub"].removeprefix("${DataBucket.Arn}/")
        for found in statements(role)
        for arn in as_list(found["Resource"])
        if any(action.startswith("s3:") for action in as_list(found["Action"])) and "Fn::Sub" in arn
    }


@pytest.mark.parametrize("role", ROLES)
def test_no_role_reaches_the_whole_bucket(role: str) -> None:
    assert "*" not in _objects_of(role)


def _may(role: str, action: str) -> set[str]:
    return {
        arn["Fn::Sub"].removeprefix("${DataBucket.Arn}/")
        for found in statements(role)
        for arn in as_list(found["Resource"])
        if action in as_list(found["Action"]) and "Fn::Sub" in arn
    }


@pytest.mark.parametrize("role", ROLES)
def test_nobody_but_people_writes_where_files_are_dropped(role: str) -> None:
    written = _may(role, "s3:PutObject") | _may(role, "s3:DeleteObject")
    assert not [key for key in written if key.startswith(RAW_PREFIX.rstrip("/"))]


def test_roles_are_passed_to_the_services_that_they_are_for() -> None:
    passed = [found for found in statements("PipelineRole") if found["Action"] == "iam:PassRole"]
    services = {
        found["Resource"]["Fn::GetAtt"][0]: found["Condition"]["StringEquals"] for found in passed
    }
    assert services == {
        "EmrServiceRole": {"iam:PassedToService": "elasticmapreduce.amazonaws.com"},
        "EmrInstanceRole": {"iam:PassedToService": "ec2.amazonaws.com"},
    }


def test_the_crawler_reads_the_tables_and_writes_history() -> None:
    targets = resource("KpiCrawler")["Targets"]["S3Targets"]
    folders = {target["Path"]["Fn::Sub"].split("/")[3] for target in targets}
    assert _may("CrawlerRole", "s3:GetObject") == {f"{folder}/*" for folder in folders}
    (tables,) = (arn for arn in _may("CrawlerRole", "glue:CreateTable") if ":table/" in arn)
    assert tables.endswith("table/${KpiDatabase}/history_*")
