"""What is handed on under a name is what has that name."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from handlers import settings
from tests.infra import asl
from tests.infra.template import FUNCTION, resource, resources, template

FUNCTIONS = sorted(resources(FUNCTION))
PIPELINE = resource("Pipeline")
SUBSTITUTIONS: dict[str, Any] = PIPELINE["DefinitionSubstitutions"]

# Names that leave out what their reader knows, or are said in another way.
MEANT: dict[str, Any] = {
    "Bucket": {"Ref": "DataBucket"},
    "BucketName": {"Ref": "DataBucket"},
    "CrawlerName": {"Ref": "KpiCrawler"},
    "Database": {"Ref": "KpiDatabase"},
    "LedgerTableName": {"Ref": "LedgerTable"},
    "ScriptsPrefix": {"Fn::GetAtt": ["SparkScripts", "Prefix"]},
    "Stack": {"Ref": "AWS::StackName"},
    "StackName": {"Ref": "AWS::StackName"},
    "TopicArn": {"Ref": "ReportTopic"},
    "Workgroup": {"Ref": "KpiWorkgroup"},
    # By name, since the state machine names the functions' ARNs and they name its.
    "StateMachineArn": {
        "Fn::Sub": "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:"
        + PIPELINE["Name"]["Fn::Sub"]
    },
}


def _meant_by(name: str) -> Any:
    """A function's ARN, or the parameter or resource of that name."""
    if name in MEANT:
        return MEANT[name]
    function = f"{name.removesuffix('Arn')}Function"
    if name.endswith("Arn") and function in FUNCTIONS:
        return {"Fn::GetAtt": [function, "Arn"]}
    assert name in template()["Parameters"] or name in template()["Resources"]
    return {"Ref": name}


def test_the_template_fills_in_every_placeholder_of_the_state_machine() -> None:
    placeholders = set(re.findall(r"\$\{(\w+)\}", asl.source()))
    assert placeholders == set(resource("Pipeline")["DefinitionSubstitutions"])
    assert placeholders == set(asl.SUBSTITUTIONS)


@pytest.mark.parametrize("name", SUBSTITUTIONS)
def test_a_placeholder_of_the_state_machine_is_what_its_name_says(name: str) -> None:
    assert SUBSTITUTIONS[name] == _meant_by(name)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_variables_are_its_settings(function: str) -> None:
    fields = dataclasses.fields(getattr(settings, f"{function.removesuffix('Function')}Settings"))
    variables = resource(function)["Environment"]["Variables"]
    assert set(variables) == {field.name.upper() for field in fields}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_variable_is_what_its_name_says(function: str) -> None:
    for name, value in resource(function)["Environment"]["Variables"].items():
        assert value == _meant_by("".join(word.title() for word in name.split("_"))), name


def test_every_step_of_a_run_is_in_the_log_and_in_the_trace() -> None:
    """With ERROR alone a run that waits leaves no line to look at. No rows of people, though."""
    assert PIPELINE["Logging"] == {
        "Level": "ALL",
        "IncludeExecutionData": False,
        "Destinations": [
            {"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": ["PipelineLogGroup", "Arn"]}}}
        ],
    }
    assert PIPELINE["Tracing"] == {"Enabled": True}
    assert template()["Globals"]["Function"]["Tracing"] == "Active"


def test_the_machines_log_group_needs_no_entry_of_its_own_in_the_accounts_policy() -> None:
    """That policy has a limit, after which no further pipeline could be deployed."""
    name = resource("PipelineLogGroup")["LogGroupName"]["Fn::Sub"]
    assert name.startswith("/aws/vendedlogs/states/")


def test_the_definition_is_the_file_that_the_tests_read() -> None:
    assert asl.DEFINITION.as_posix().endswith(PIPELINE["DefinitionUri"])


def test_people_are_subscribed_by_the_address_that_they_gave() -> None:
    """Nobody else subscribes them, and without it every mail goes to nobody."""
    assert resource("ReportTopic")["Subscription"] == [
        {"Protocol": "email", "Endpoint": {"Ref": "NotificationEmail"}}
    ]
