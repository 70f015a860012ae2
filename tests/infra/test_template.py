"""Promises about the template, read from the source."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, get_type_hints

import pytest

from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from contract.reports import DatasetCounts
from handlers import settings
from pipeline.catalogue import QUESTIONS
from tests.infra import asl
from tests.infra.template import (
    FUNCTION,
    PROJECT,
    as_list,
    handler_module,
    resource,
    resources,
    template,
)

PARAMETERS: dict[str, dict[str, Any]] = template()["Parameters"]
WITHOUT_DEFAULT = {"Email", "Subnet"}
FUNCTIONS = sorted(resources(FUNCTION))
ALARMS = resources("AWS::CloudWatch::Alarm")
QUEUES = sorted(resources("AWS::SQS::Queue"))
RULES = sorted(resources("AWS::Events::Rule"))
SAVED = {saved["Name"]: saved for saved in resources("AWS::Athena::NamedQuery").values()}
KEPT = ["DataKey", "DataBucket", "LedgerTable"]


def test_the_parameters_are_those_of_the_design() -> None:
    assert set(PARAMETERS) == {
        "Email",
        "Subnet",
        "EmrRelease",
        "PrimaryInstanceType",
        "WorkerInstanceType",
        "LargestCluster",
        "SpotSharePercent",
        "QualityLimitPercent",
        "PersonalData",
        "IncompleteAfterHours",
        "InputDays",
        "LogDays",
        "CuratedDays",
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


@pytest.mark.parametrize("name", KEPT)
def test_data_outlives_the_stack(name: str) -> None:
    found = template()["Resources"][name]
    assert found["DeletionPolicy"] == found["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_a_log_group_that_forgets(function: str) -> None:
    name = f"{function.removesuffix('Function')}LogGroup"
    assert resource(function)["LoggingConfig"]["LogGroup"] == {"Ref": name}
    assert resource(name)["RetentionInDays"] == {"Ref": "LogDays"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_variables_are_its_settings(function: str) -> None:
    fields = dataclasses.fields(getattr(settings, function.removesuffix("Function")))
    variables = resource(function)["Environment"]["Variables"]
    assert set(variables) == {field.name.upper() for field in fields}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_named_like_its_handler(function: str) -> None:
    words = re.findall("[A-Z][a-z]+", function.removesuffix("Function"))
    assert handler_module(function) == "handlers." + "_".join(words).lower()


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_tries_again_and_keeps_what_could_not_be_delivered(rule: str) -> None:
    (target,) = resource(rule)["Targets"]
    assert target["RetryPolicy"].keys() == {"MaximumEventAgeInSeconds", "MaximumRetryAttempts"}
    queue = target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0]
    allowed, _ = resource(f"{queue}Policy")["PolicyDocument"]["Statement"]
    senders = allowed["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert {"Fn::GetAtt": [rule, "Arn"]} in senders


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_may_call_its_function_and_failed_calls_are_kept(rule: str) -> None:
    (target,) = resource(rule)["Targets"]
    function = target["Arn"]["Fn::GetAtt"][0]
    permission = resource(f"{rule}Permission")
    assert permission["FunctionName"] == {"Ref": function}
    assert permission["SourceArn"] == {"Fn::GetAtt": [rule, "Arn"]}
    on_failure = resource(function)["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    assert on_failure["Destination"] == target["DeadLetterConfig"]["Arn"]


def test_there_is_an_alarm_for_everything_that_can_go_wrong() -> None:
    watched = {
        (alarm["MetricName"], next(iter(_values(alarm["Dimensions"])))) for alarm in ALARMS.values()
    }
    assert watched == (
        {("Errors", function) for function in FUNCTIONS}
        | {("ApproximateNumberOfMessagesVisible", queue) for queue in QUEUES}
        | {(f"Executions{end}", "Pipeline") for end in ("Failed", "TimedOut", "Aborted")}
        | {("NoConfirmedSubscriber", "watchdog")}
    )


def _values(dimensions: list[dict[str, Any]]) -> list[str]:
    """What each dimension names: a text, or the resource that it takes from."""
    values = [dimension["Value"] for dimension in dimensions]
    return [
        value if isinstance(value, str) else value.get("Ref") or value["Fn::GetAtt"][0]
        for value in values
    ]


def test_a_run_that_fails_is_mailed_once() -> None:
    """The alarms that repeat what the pipeline mails itself are silent; all others are not."""
    silent = {name for name, alarm in ALARMS.items() if "AlarmActions" not in alarm}
    assert silent == {
        "RunsFailedAlarm",
        "RunsTimedOutAlarm",
        "RunsAbortedAlarm",
        "PinInputsErrorsAlarm",
        "CheckRunErrorsAlarm",
        "PublishResultsErrorsAlarm",
    }


def test_the_dashboard_shows_every_alarm() -> None:
    body = resource("Dashboard")["DashboardBody"]["Fn::Sub"]
    assert set(re.findall(r"\$\{(\w+Alarm)\.Arn\}", body)) == set(ALARMS)
    assert json.loads(body)["widgets"]


def test_the_template_fills_in_every_placeholder_of_the_state_machine() -> None:
    placeholders = set(re.findall(r"\$\{(\w+)\}", asl.source()))
    assert placeholders == set(resource("Pipeline")["DefinitionSubstitutions"])
    assert placeholders == set(asl.SUBSTITUTIONS)


def test_the_scripts_are_installed_anew_with_new_code() -> None:
    assert resource("InstallScriptsFunction")["AutoPublishAlias"]
    assert resource("SparkScripts")["Version"] == {"Ref": "InstallScriptsFunction.Version"}


@pytest.mark.parametrize("name", [*QUESTIONS, "quality"])
def test_a_saved_query_is_the_file_of_sql(name: str) -> None:
    saved = SAVED[name]["QueryString"]
    assert saved == (PROJECT / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def test_every_question_is_saved_and_nothing_else() -> None:
    parts = {"current_view", "of_run", "row_counts"}  # of statements that the pipeline makes
    files = {path.stem for path in (PROJECT / "sql").glob("*.sql")}
    assert set(SAVED) == files - parts


def test_the_crawler_looks_at_every_table_and_nowhere_else() -> None:
    crawler = resource("KpiCrawler")
    paths = [target["Path"]["Fn::Sub"] for target in crawler["Targets"]["S3Targets"]]
    assert paths == [f"s3://${{DataBucket}}/output/{dataset.name}/" for dataset in DATASETS] + [
        f"s3://${{DataBucket}}/kpi_output/{table.name}/" for table in KPI_TABLES
    ]
    assert crawler["TablePrefix"] == "history_"
    configuration = json.loads(crawler["Configuration"])
    assert configuration["Version"] == 1.0
    # bucket, `output`, `users`: runs of another schema stay in their table
    assert configuration["Grouping"] == {
        "TableGroupingPolicy": "CombineCompatibleSchemas",
        "TableLevelConfiguration": 3,
    }
    folders = {path.removeprefix("s3://").rstrip("/").count("/") + 1 for path in paths}
    assert folders == {configuration["Grouping"]["TableLevelConfiguration"]}


def test_eventbridge_may_use_the_key_without_a_condition_that_it_cannot_meet() -> None:
    """Its requests to the key name no source; with a condition dead letters would vanish."""
    of_events = [
        statement
        for statement in resource("DataKey")["KeyPolicy"]["Statement"]
        if "events.amazonaws.com" in as_list(statement["Principal"].get("Service", []))
    ]
    assert [set(statement["Action"]) for statement in of_events] == [
        {"kms:Decrypt", "kms:GenerateDataKey"}
    ]
    assert not any("Condition" in statement for statement in of_events)


def test_the_pointers_table_has_what_is_counted_of_a_dataset() -> None:
    columns = {
        column["Name"]: column["Type"]
        for column in resource("PublishedRunsTable")["TableInput"]["StorageDescriptor"]["Columns"]
    }
    counts = [name for name, kind in get_type_hints(DatasetCounts).items() if kind is int]
    fields = "".join(f",{name}:bigint" for name in counts)
    assert columns["datasets"] == f"array<struct<dataset:string{fields}>>"


def test_nothing_is_readable_over_plain_http() -> None:
    kinds = ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy")
    for policy in (found for kind in kinds for found in resources(kind).values()):
        denied = policy["PolicyDocument"]["Statement"][-1]
        assert denied["Effect"] == "Deny"
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
