"""Conventions of the template: parameters, names, and companion resources."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.infra.support.template import (
    FUNCTION,
    resource,
    resources,
    template,
)

PARAMETERS: dict[str, dict[str, Any]] = template()["Parameters"]
REQUIRED_PARAMETERS = {"NotificationEmail", "SubnetId"}
FUNCTIONS = sorted(resources(FUNCTION))
RULES = sorted(resources("AWS::Events::Rule"))


def test_template_has_the_parameters_of_the_design() -> None:
    assert set(PARAMETERS) == {
        "NotificationEmail",
        "SubnetId",
        "EmrRelease",
        "PrimaryInstanceType",
        "WorkerInstanceType",
        "MaxWorkers",
        "SpotPercent",
        "MaxRejectedPercent",
        "IncludePersonalData",
        "IncompleteBatchHours",
        "MaxUploadSpreadHours",
        "MaxConcurrentRuns",
        "InputRetentionDays",
        "LedgerRetentionDays",
        "LogRetentionDays",
        "OutputRetentionDays",
        "LambdaRuntime",
        "ReceiveUploadConcurrency",
    }


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_parameter_has_description_default_and_constraint(name: str) -> None:
    parameter = PARAMETERS[name]
    assert parameter["Description"]
    assert ("Default" in parameter) == (name not in REQUIRED_PARAMETERS)
    constraints = {"AllowedValues", "AllowedPattern", "MinValue"}
    assert constraints & set(parameter) or parameter["Type"].startswith("AWS::")


def test_every_parameter_has_a_group_and_a_label() -> None:
    interface = template()["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(PARAMETERS)
    assert set(interface["ParameterLabels"]) == set(PARAMETERS)


def test_receive_upload_reserves_concurrency_only_on_request() -> None:
    """Accounts with the limit 10 of new accounts refuse every reservation."""
    parameter = "ReceiveUploadConcurrency"
    assert PARAMETERS[parameter]["Default"] == 0
    condition, reserved, otherwise = resource("ReceiveUploadFunction")[
        "ReservedConcurrentExecutions"
    ]["Fn::If"]
    assert (reserved, otherwise) == ({"Ref": parameter}, {"Ref": "AWS::NoValue"})
    is_zero = {"Fn::Equals": [{"Ref": parameter}, 0]}
    assert template()["Conditions"][condition] == {"Fn::Not": [is_zero]}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_has_its_own_log_group(function: str) -> None:
    name = f"{function.removesuffix('Function')}LogGroup"
    assert resource(function)["LoggingConfig"]["LogGroup"] == {"Ref": name}


@pytest.mark.parametrize("name", resources("AWS::Logs::LogGroup"))
def test_log_group_uses_the_retention_parameter(name: str) -> None:
    assert resource(name)["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_is_named_like_its_handler(function: str) -> None:
    words = re.findall("[A-Z][a-z]+", function.removesuffix("Function"))
    assert resource(function)["Handler"] == f"handlers.{'_'.join(words).lower()}.handler"


@pytest.mark.parametrize("rule", RULES)
def test_rule_invokes_its_function_and_keeps_failed_events(rule: str) -> None:
    (target,) = resource(rule)["Targets"]
    function = target["Arn"]["Fn::GetAtt"][0]
    permission = resource(f"{rule}Permission")
    assert permission["FunctionName"] == {"Ref": function}
    assert permission["SourceArn"] == {"Fn::GetAtt": [rule, "Arn"]}
    assert permission["Principal"] == "events.amazonaws.com"
    assert permission["Action"] == "lambda:InvokeFunction"
    on_failure = resource(function)["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    assert on_failure["Destination"] == target["DeadLetterConfig"]["Arn"]


def test_scripts_are_reinstalled_when_the_code_changes() -> None:
    assert resource("InstallScriptsFunction")["AutoPublishAlias"]
    assert resource("SparkScripts")["Version"] == {"Ref": "InstallScriptsFunction.Version"}


def test_scripts_are_deleted_before_what_their_function_needs() -> None:
    """CloudFormation deletes in reverse order. Without these, the function could not respond."""
    dependencies = set(template()["Resources"]["SparkScripts"]["DependsOn"])
    assert dependencies == {"InstallScriptsRole", "DataBucketPolicy"}
