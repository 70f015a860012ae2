"""The arguments that the states send are valid for their receivers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from contract import layout
from pipeline.ledger.keys import OPEN_RUN
from pipeline.ledger.run_slots import RunSlots
from pipeline.ledger.table import LedgerTable
from spark import kpis, transformation_job
from spark.job import JobArgumentParser
from tests.infra.support import asl
from tests.infra.support.example_run import (
    CONTEXT,
    FAILURE,
    INPUT,
    RUN_ID,
    ExampleRun,
    validation_errors,
)

BUCKET = asl.SUBSTITUTIONS["BucketName"]
SCRIPTS = f"s3://{BUCKET}/{asl.SUBSTITUTIONS['ScriptsPrefix']}"


@pytest.fixture(scope="module")
def run() -> ExampleRun:
    return ExampleRun()


@pytest.mark.parametrize("personal_data", [True, False])
@pytest.mark.parametrize(
    ("state", "program", "parser"),
    [
        (
            "RunTransformation",
            transformation_job.PROGRAM,
            JobArgumentParser(transformation_job.PROGRAM, "As in the job."),
        ),
        ("RunKpis", kpis.PROGRAM, kpis.build_parser()),
    ],
)
def test_step_arguments_are_valid_for_the_job(
    state: str, program: str, parser: JobArgumentParser, personal_data: bool
) -> None:
    arguments = ExampleRun(IncludePersonalData=str(personal_data).lower()).arguments(state)
    request = {"JobFlowId": arguments["ClusterId"], "Steps": [arguments["Step"]]}
    assert validation_errors("emr", "AddJobFlowSteps", request) == ""
    assert arguments["Step"]["Name"] == program
    assert arguments["Step"]["HadoopJarStep"]["Jar"] == "command-runner.jar"

    command = arguments["Step"]["HadoopJarStep"]["Args"]
    submit, job = command[:6], command[6:]
    zip_file = f"{SCRIPTS}/{layout.JOBS_ZIP}"
    script = f"{SCRIPTS}/{program}.py"
    assert submit == ["spark-submit", "--deploy-mode", "client", "--py-files", zip_file, script]
    options = parser.parse_args(job)
    assert options.input == f"s3://{BUCKET}/{layout.pinned_prefix(RUN_ID)}"
    assert options.output == f"s3://{BUCKET}"
    assert options.run_id == RUN_ID
    if state == "RunKpis":
        assert (options.personal_data, options.curated) == (personal_data, False)
        assert ("--personal-data" in job) == personal_data  # The parser accepts abbreviations.


def test_job_scripts_are_named_like_their_programs() -> None:
    for module in (transformation_job, kpis):
        assert Path(str(module.__file__)).name == f"{module.PROGRAM}.py"


@pytest.mark.parametrize("name", ["GetCrawler", "StartCrawler"])
def test_crawler_states_name_the_crawler_of_the_stack(name: str, run: ExampleRun) -> None:
    assert validation_errors("glue", name, run.arguments(name)) == ""
    assert run.arguments(name) == {"Name": asl.SUBSTITUTIONS["CrawlerName"]}


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("PinInputs", {"run_id": RUN_ID, "batch": INPUT["batch"], "files": INPUT["files"]}),
        ("CheckRun", {"run_id": RUN_ID, "batch": INPUT["batch"]}),
        ("PublishResults", {"run_id": RUN_ID, **INPUT, "personal_data": False, "publish": True}),
        (
            "ReportFailure",
            {
                "run_id": RUN_ID,
                "batch": INPUT["batch"],
                "cluster_id": "j-1",
                "failure": FAILURE,
                "publish": True,
            },
        ),
    ],
)
def test_functions_receive_their_payload(
    name: str, payload: Mapping[str, Any], run: ExampleRun
) -> None:
    assert run.arguments(name) == {
        "FunctionName": asl.SUBSTITUTIONS[f"{name}Arn"],
        "Payload": payload,
    }


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return an empty ledger table of a DynamoDB that checks reserved words."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.resource("dynamodb", region_name="eu-west-1").create_table(
            TableName=asl.SUBSTITUTIONS["LedgerTableName"],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )


@pytest.mark.parametrize(
    ("final_state", "status", "failure_attributes"),
    [
        ("RecordPublished", "PUBLISHED", {}),
        (
            "RecordFailed",
            "FAILED",
            {"error": FAILURE["error"], "cause": "RunJobs: the step failed"},
        ),
    ],
)
def test_ledger_records_the_run(
    final_state: str,
    status: str,
    failure_attributes: Mapping[str, str],
    run: ExampleRun,
    ledger: Any,
) -> None:
    boto3.client("dynamodb", region_name="eu-west-1").update_item(**run.arguments("RecordStarted"))
    (item,) = ledger.scan()["Items"]
    assert (item["status"], item["open"]) == ("RUNNING", OPEN_RUN)
    for _ in range(2):  # The second call is a retry.
        boto3.client("dynamodb", region_name="eu-west-1").update_item(**run.arguments(final_state))
    (item,) = ledger.scan()["Items"]
    retention = timedelta(days=int(asl.SUBSTITUTIONS["LedgerRetentionDays"]))
    expiration = time.time() + retention.total_seconds()
    assert abs(float(item.pop("expiration")) - expiration) < 600
    assert item.pop("ended_at").endswith("Z")
    assert item == {
        "id": f"run/{RUN_ID}",
        "status": status,
        "batch": INPUT["batch"],
        "claimed_at": INPUT["claimed_at"],
        "started_at": CONTEXT["Execution"]["StartTime"],
        "execution_arn": CONTEXT["Execution"]["Id"],
        **failure_attributes,
    }


def test_ledger_records_a_run_that_could_not_record_its_start(run: ExampleRun, ledger: Any) -> None:
    boto3.client("dynamodb", region_name="eu-west-1").update_item(**run.arguments("RecordFailed"))
    (item,) = ledger.scan()["Items"]
    assert item.keys() - {"expiration", "ended_at", "error", "cause"} == {
        "id",
        "status",
        "batch",
        "claimed_at",
        "execution_arn",
    }
    assert (item["batch"], item["claimed_at"]) == (INPUT["batch"], INPUT["claimed_at"])


def test_execution_takes_one_slot(run: ExampleRun, ledger: Any) -> None:
    """`RunSlots` reads and releases what the state machine writes, also after a retry."""
    dynamodb = boto3.client("dynamodb", region_name="eu-west-1")
    slots = RunSlots(LedgerTable(dynamodb, ledger.name), maximum=1)
    for _ in range(2):
        dynamodb.update_item(**run.arguments("TakeSlot"))
    assert slots.list_runs() == {RUN_ID}
    assert not slots.acquire("another")
    assert slots.release(RUN_ID)
    assert slots.list_runs() == frozenset()


def test_run_without_free_slot_takes_one(run: ExampleRun, ledger: Any) -> None:
    """A person has started it, so it counts although the limit is reached."""
    dynamodb = boto3.client("dynamodb", region_name="eu-west-1")
    slots = RunSlots(LedgerTable(dynamodb, ledger.name), maximum=1)
    assert slots.acquire("another")
    dynamodb.update_item(**run.arguments("TakeSlot"))
    assert slots.list_runs() == {RUN_ID, "another"}


def test_arguments_are_json(run: ExampleRun) -> None:
    for name, state in asl.all_states(asl.load_definition()).items():
        if "Arguments" in state:
            assert json.loads(json.dumps(run.arguments(name))), name
