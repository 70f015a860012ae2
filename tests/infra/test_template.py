"""Promises about the template, read from the source."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.infra.template import (
    FUNCTION,
    resource,
    resources,
    template,
)

PARAMETERS: dict[str, dict[str, Any]] = template()["Parameters"]
WITHOUT_DEFAULT = {"NotificationEmail", "SubnetId"}
FUNCTIONS = sorted(resources(FUNCTION))
RULES = sorted(resources("AWS::Events::Rule"))


def test_the_parameters_are_those_of_the_design() -> None:
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
        "InputRetentionDays",
        "LogRetentionDays",
        "OutputRetentionDays",
        "LambdaRuntime",
    }


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_parameter_says_what_it_is_and_what_it_may_be(name: str) -> None:
    parameter = PARAMETERS[name]
    assert parameter["Description"]
    assert ("Default" in parameter) == (name not in WITHOUT_DEFAULT)
    limits = {"AllowedValues", "AllowedPattern", "MinValue"}
    assert limits & set(parameter) or parameter["Type"].startswith("AWS::")


def test_the_console_shows_every_parameter_in_a_group_and_with_a_label() -> None:
    interface = template()["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(PARAMETERS)
    assert set(interface["ParameterLabels"]) == set(PARAMETERS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_a_log_group_of_its_own(function: str) -> None:
    name = f"{function.removesuffix('Function')}LogGroup"
    assert resource(function)["LoggingConfig"]["LogGroup"] == {"Ref": name}


@pytest.mark.parametrize("name", resources("AWS::Logs::LogGroup"))
def test_a_log_is_kept_as_long_as_its_parameter_says(name: str) -> None:
    assert resource(name)["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_named_like_its_handler(function: str) -> None:
    words = re.findall("[A-Z][a-z]+", function.removesuffix("Function"))
    assert resource(function)["Handler"] == f"handlers.{'_'.join(words).lower()}.handler"


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_may_call_its_function_and_failed_calls_are_kept(rule: str) -> None:
    (target,) = resource(rule)["Targets"]
    function = target["Arn"]["Fn::GetAtt"][0]
    permission = resource(f"{rule}Permission")
    assert permission["FunctionName"] == {"Ref": function}
    assert permission["SourceArn"] == {"Fn::GetAtt": [rule, "Arn"]}
    assert permission["Principal"] == "events.amazonaws.com"
    assert permission["Action"] == "lambda:InvokeFunction"
    on_failure = resource(function)["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    assert on_failure["Destination"] == target["DeadLetterConfig"]["Arn"]


def test_the_scripts_are_installed_anew_with_new_code() -> None:
    assert resource("InstallScriptsFunction")["AutoPublishAlias"]
    assert resource("SparkScripts")["Version"] == {"Ref": "InstallScriptsFunction.Version"}


def test_what_removes_the_scripts_outlives_them() -> None:
    """A deletion goes the other way round: without these the function could not answer any more."""
    needed = set(template()["Resources"]["SparkScripts"]["DependsOn"])
    assert needed == {"InstallScriptsRole", "DataBucketPolicy"}
