"""Substitutions and environment variables pass the values that their names suggest."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest

from handlers import settings
from tests.infra.support import asl
from tests.infra.support.template import FUNCTION, resource, resources, template
from tests.support.events import load_event

FUNCTIONS = sorted(resources(FUNCTION))
PIPELINE = resource("Pipeline")
SUBSTITUTIONS: dict[str, Any] = PIPELINE["DefinitionSubstitutions"]

# Values of names that do not follow the convention.
EXCEPTIONS: dict[str, Any] = {
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
    # Built from the name, because the state machine and the functions reference each other.
    "StateMachineArn": {
        "Fn::Sub": "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:"
        + PIPELINE["Name"]["Fn::Sub"]
    },
}


def _expected_value(name: str) -> Any:
    """Return the ARN of the function, or the parameter or resource, with that name."""
    if name in EXCEPTIONS:
        return EXCEPTIONS[name]
    function = f"{name.removesuffix('Arn')}Function"
    if name.endswith("Arn") and function in FUNCTIONS:
        return {"Fn::GetAtt": [function, "Arn"]}
    assert name in template()["Parameters"] or name in template()["Resources"]
    return {"Ref": name}


def test_template_substitutes_every_placeholder_of_the_state_machine() -> None:
    placeholders = set(re.findall(r"\$\{(\w+)\}", asl.read_source()))
    assert placeholders == set(resource("Pipeline")["DefinitionSubstitutions"])
    assert placeholders == set(asl.SUBSTITUTIONS)


@pytest.mark.parametrize("name", SUBSTITUTIONS)
def test_substitution_has_the_value_that_its_name_suggests(name: str) -> None:
    assert SUBSTITUTIONS[name] == _expected_value(name)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_environment_variables_are_the_settings_of_the_function(function: str) -> None:
    fields = dataclasses.fields(getattr(settings, f"{function.removesuffix('Function')}Settings"))
    variables = resource(function)["Environment"]["Variables"]
    assert {*variables, "STACK"} == {field.name.upper() for field in fields}


def test_every_function_knows_its_stack() -> None:
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]
    assert variables == {"POWERTOOLS_LOG_LEVEL": "INFO", "STACK": {"Ref": "AWS::StackName"}}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_environment_variable_has_the_value_that_its_name_suggests(function: str) -> None:
    for name, value in resource(function)["Environment"]["Variables"].items():
        assert value == _expected_value("".join(part.title() for part in name.split("_"))), name


def test_state_machine_logs_and_traces_every_state() -> None:
    """The level ERROR would not show what a run waits for. The log has no execution data, because
    that may contain personal data."""
    assert PIPELINE["Logging"] == {
        "Level": "ALL",
        "IncludeExecutionData": False,
        "Destinations": [
            {"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": ["PipelineLogGroup", "Arn"]}}}
        ],
    }
    assert PIPELINE["Tracing"] == {"Enabled": True}
    assert template()["Globals"]["Function"]["Tracing"] == "Active"


def test_log_group_of_state_machine_does_not_extend_the_resource_policy() -> None:
    """The resource policy of CloudWatch Logs has a size limit, which would block deployments."""
    name = resource("PipelineLogGroup")["LogGroupName"]["Fn::Sub"]
    assert name.startswith("/aws/vendedlogs/states/")


def test_definition_is_the_file_that_the_tests_read() -> None:
    assert asl.DEFINITION.as_posix().endswith(PIPELINE["DefinitionUri"])


@pytest.mark.parametrize("number", range(1, 6))
def test_every_notification_email_is_subscribed_to_the_topic(number: int) -> None:
    """Nothing else subscribes them, and without a subscription no email is delivered."""
    addresses = [f"reader-{each}@example.org" for each in range(number)]
    parameter = template()["Parameters"]["NotificationEmail"]
    assert re.fullmatch(parameter["AllowedPattern"], ",".join(addresses))
    subscriptions = _evaluate(resource("ReportTopic")["Subscription"], ",".join(addresses))
    assert [each for each in subscriptions if each != {"Ref": "AWS::NoValue"}] == [
        {"Protocol": "email", "Endpoint": address} for address in addresses
    ]


@pytest.mark.parametrize(
    "text", ["", "a", "a@b", "a@b.org,", "a@b.org, c@d.org", ",".join(["a@b.org"] * 6)]
)
def test_invalid_notification_email_is_refused(text: str) -> None:
    """A sixth address would be ignored silently."""
    pattern = template()["Parameters"]["NotificationEmail"]["AllowedPattern"]
    assert not re.fullmatch(pattern, text)


FUNCTIONS_OF_CONDITIONS: dict[str, Callable[[Any], Any]] = {
    "Fn::Split": lambda arguments: arguments[1].split(arguments[0]),
    "Fn::Select": lambda arguments: arguments[1][arguments[0]],
    "Fn::Equals": lambda arguments: arguments[0] == arguments[1],
    "Fn::Not": lambda arguments: not arguments[0],
}


def _evaluate(node: Any, addresses: str) -> Any:
    """Return the node as CloudFormation evaluates it, with these notification emails."""
    if isinstance(node, list):
        return [_evaluate(item, addresses) for item in node]
    if not isinstance(node, dict):
        return node
    ((name, value), *others) = node.items()
    if name == "Fn::If":
        is_true = _evaluate(template()["Conditions"][value[0]], addresses)
        return _evaluate(value[1 if is_true else 2], addresses)
    if name == "Fn::Sub":
        return value.replace("${NotificationEmail}", addresses)
    value = _evaluate(value, addresses)
    if name in FUNCTIONS_OF_CONDITIONS:
        return FUNCTIONS_OF_CONDITIONS[name](value)
    return {name: value, **{key: _evaluate(each, addresses) for key, each in others}}


@pytest.mark.parametrize("request_type", ["create", "update", "delete"])
def test_events_of_custom_resource_have_the_properties_of_the_template(request_type: str) -> None:
    """All values are strings, and a reference to a version of a function is its ARN."""
    event = load_event(f"install_scripts_{request_type}")
    properties = resource("SparkScripts")
    assert properties["Version"] == {"Ref": "InstallScriptsFunction.Version"}
    for name in ("ResourceProperties", "OldResourceProperties"):
        values = event.get(name, event["ResourceProperties"])
        assert values.keys() == properties.keys()
        assert values["ServiceToken"] == event["ServiceToken"]
        assert values["ServiceTimeout"] == str(properties["ServiceTimeout"])
        function, _, version = values["Version"].rpartition(":")
        assert (function, version.isdecimal()) == (event["ServiceToken"], True)
