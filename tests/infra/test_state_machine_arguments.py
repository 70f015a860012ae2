"""What the state machine sends, evaluated on an example, against what takes it."""

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
from spark import kpis, transformation_job
from spark.job import Parser
from tests.infra import asl
from tests.infra.asl_run import CONTEXT, FAILURE, INPUT, RUN_ID, Run, problems

BUCKET = asl.SUBSTITUTIONS["BucketName"]
SCRIPTS = f"s3://{BUCKET}/{asl.SUBSTITUTIONS['ScriptsPrefix']}"


@pytest.fixture(scope="module")
def run() -> Run:
    return Run()


@pytest.mark.parametrize("personal_data", [True, False])
@pytest.mark.parametrize(
    ("state", "program", "parser"),
    [
        (
            "RunTransformation",
            transformation_job.PROGRAM,
            Parser(transformation_job.PROGRAM, "As in the job."),
        ),
        ("RunKpis", kpis.PROGRAM, kpis.arguments()),
    ],
)
def test_the_jobs_understand_their_steps(
    state: str, program: str, parser: Parser, personal_data: bool
) -> None:
    arguments = Run(IncludePersonalData=str(personal_data).lower()).arguments(state)
    request = {"JobFlowId": arguments["ClusterId"], "Steps": [arguments["Step"]]}
    assert problems("emr", "AddJobFlowSteps", request) == ""
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
        assert ("--personal-data" in job) == personal_data  # the parser would take half the word


def test_the_steps_name_scripts_that_exist() -> None:
    for module in (transformation_job, kpis):
        assert Path(str(module.__file__)).name == f"{module.PROGRAM}.py"


@pytest.mark.parametrize("name", ["GetPreviousCrawl", "StartCrawler", "GetCrawlStatus"])
def test_the_crawler_is_the_stacks(name: str, run: Run) -> None:
    operation = "StartCrawler" if name == "StartCrawler" else "GetCrawler"
    assert problems("glue", operation, run.arguments(name)) == ""
    assert run.arguments(name) == {"Name": asl.SUBSTITUTIONS["CrawlerName"]}


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("PinInputs", {"run_id": RUN_ID, "batch": INPUT["batch"], "files": INPUT["files"]}),
        ("CheckRun", {"run_id": RUN_ID, "batch": INPUT["batch"]}),
        ("PublishResults", {"run_id": RUN_ID, **INPUT, "personal_data": False}),
        (
            "ReportFailure",
            {
                "run_id": RUN_ID,
                "batch": INPUT["batch"],
                "cluster_id": "j-1",
                "failure": FAILURE,
            },
        ),
    ],
)
def test_the_functions_get_what_they_ask_for(
    name: str, payload: Mapping[str, Any], run: Run
) -> None:
    assert run.arguments(name) == {
        "FunctionName": asl.SUBSTITUTIONS[f"{name}Arn"],
        "Payload": payload,
    }


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty ledger table, which knows DynamoDB's reserved words."""
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
    ("end", "status", "told"),
    [
        ("RecordPublished", "PUBLISHED", {}),
        (
            "RecordFailed",
            "FAILED",
            {"error": FAILURE["error"], "cause": "RunJobs: the step failed"},
        ),
    ],
)
def test_the_ledger_tells_the_run(
    end: str, status: str, told: Mapping[str, str], run: Run, ledger: Any
) -> None:
    for name in ("RecordStarted", end, end):  # once more, as a retry would
        boto3.client("dynamodb", region_name="eu-west-1").update_item(**run.arguments(name))
    (item,) = ledger.scan()["Items"]
    # As long as Step Functions keeps the execution, and no other may have its name.
    in_90_days = time.time() + timedelta(days=90).total_seconds()
    assert abs(float(item.pop("expiration")) - in_90_days) < 600
    assert item.pop("ended_at").endswith("Z")
    assert item == {
        "id": f"run/{RUN_ID}",
        "status": status,
        "batch": INPUT["batch"],
        "claimed_at": INPUT["claimed_at"],
        "started_at": CONTEXT["Execution"]["StartTime"],
        "execution_arn": CONTEXT["Execution"]["Id"],
        **told,
    }


def test_what_is_sent_is_json(run: Run) -> None:
    for name, state in asl.every_state(asl.definition()).items():
        if "Arguments" in state:
            assert json.loads(json.dumps(run.arguments(name))), name
