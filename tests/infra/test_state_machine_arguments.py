"""What the state machine sends, evaluated on an example, against what takes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
import pytest
from botocore.validate import ParamValidator
from moto import mock_aws

from contract import layout
from spark import kpis, transformation_job
from spark.job import Parser
from tests.infra import asl

RUN_ID = "2026-11-0123456789abcdef0123"
CONTEXT = {
    "Execution": {
        "Id": f"arn:aws:states:eu-west-1:123456789012:execution:rental-kpi-pipeline:{RUN_ID}",
        "Name": RUN_ID,
        "StartTime": "2026-11-23T19:00:31.123Z",
    }
}
INPUT = {
    "batch": "raw/2026-11/",
    "claimed_at": "2026-11-23T19:00:30.123456Z",
    "files": [{"dataset": "users", "key": "raw/2026-11/users.csv", "version_id": "v1"}],
}
GIB = 1024**3
FAILURE = {"state": "RunJobs", "error": "States.TaskFailed", "cause": "the step failed"}
BUCKET = asl.SUBSTITUTIONS["Bucket"]
SCRIPTS = f"s3://{BUCKET}/{asl.SUBSTITUTIONS['ScriptsPrefix']}"


class _Run:
    """A run that has come as far as its jobs: the variables that every later state sees."""

    def __init__(self, size: float = 3 * GIB, **substitutions: str) -> None:
        self._states = asl.every_state(asl.definition(**substitutions))
        self.variables: dict[str, Any] = {}
        results = {"PinInputs": {"Payload": {"bytes": size}}, "CreateCluster": {"ClusterId": "j-1"}}
        for name in ("Begin", "NoteRunning", "PinInputs", "ShapeCluster", "CreateCluster"):
            self.variables |= self._evaluated(self._states[name]["Assign"], results.get(name))
        self.variables |= {"failure": FAILURE, "outcome": "PUBLISHED"}

    def arguments(self, name: str) -> Any:
        """What the state sends."""
        return self._evaluated(self._states[name]["Arguments"], None)

    def _evaluated(self, template: Any, result: Any) -> Any:
        return asl.evaluate(template, self.variables, input=INPUT, context=CONTEXT, result=result)


@pytest.fixture(scope="module")
def run() -> _Run:
    return _Run()


def _problems(service: str, operation: str, parameters: Mapping[str, Any]) -> str:
    """What AWS's own model of the call finds wrong; empty if nothing is."""
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape
    assert shape is not None
    report: str = ParamValidator().validate(dict(parameters), shape).generate_report()
    return report


def _workers(request: Mapping[str, Any]) -> tuple[int, int]:
    """How many On-Demand and Spot workers a request for a cluster asks for."""
    fleets = {fleet["InstanceFleetType"]: fleet for fleet in request["Instances"]["InstanceFleets"]}
    assert fleets["MASTER"]["TargetOnDemandCapacity"] == 1
    spot = fleets["TASK"]["TargetSpotCapacity"] if "TASK" in fleets else 0
    return fleets["CORE"]["TargetOnDemandCapacity"], spot


@pytest.mark.parametrize("spot_share", [0, 33, 60, 100])
@pytest.mark.parametrize("largest", [1, 2, 10])
@pytest.mark.parametrize("size", [0, 1, 2 * GIB, 2 * GIB + 1, 9 * GIB, 500 * GIB])
def test_the_cluster_fits_its_input_and_its_limits(
    size: int, largest: int, spot_share: int
) -> None:
    run = _Run(size, LargestCluster=str(largest), SpotSharePercent=str(spot_share))
    request = run.arguments("CreateCluster")
    assert _problems("emr", "RunJobFlow", request) == ""

    on_demand, spot = _workers(request)
    workers = min(largest, max(1, ceil(size / (2 * GIB))))
    assert on_demand + spot == workers
    assert on_demand >= 1
    assert spot <= workers * spot_share / 100
    assert spot == workers - 1 or spot > workers * spot_share / 100 - 1
    assert request["ManagedScalingPolicy"]["ComputeLimits"] == {
        "UnitType": "InstanceFleetUnits",
        "MinimumCapacityUnits": 1,
        "MaximumCapacityUnits": workers,
        "MaximumOnDemandCapacityUnits": on_demand,
        "MaximumCoreCapacityUnits": on_demand,
    }


@pytest.mark.parametrize(("size", "gib"), [(0, 64), (9 * GIB, 64), (100 * GIB, 80), (10**16, 1024)])
def test_disks_grow_with_each_workers_share_of_the_input(size: int, gib: int) -> None:
    fleets = _Run(size).arguments("CreateCluster")["Instances"]["InstanceFleets"]
    for fleet in fleets[1:]:
        (kind,) = fleet["InstanceTypeConfigs"]
        (disk,) = kind["EbsConfiguration"]["EbsBlockDeviceConfigs"]
        assert disk["VolumeSpecification"]["SizeInGB"] == gib


def test_the_cluster_keeps_the_rules_of_two_steps_at_once(run: _Run) -> None:
    request = run.arguments("CreateCluster")
    assert request["StepConcurrencyLevel"] == 2
    assert request["Instances"]["KeepJobFlowAliveWhenNoSteps"] is True
    assert "Steps" not in request
    assert 60 <= request["AutoTerminationPolicy"]["IdleTimeout"] <= 604800
    for name in ("RunTransformation", "RunKpis"):
        assert run.arguments(name)["Step"]["ActionOnFailure"] == "CONTINUE"


def test_the_cluster_can_be_found_by_its_tags(run: _Run) -> None:
    tags = {tag["Key"]: tag["Value"] for tag in run.arguments("CreateCluster")["Tags"]}
    assert tags == {
        "run": RUN_ID,
        "stack": asl.SUBSTITUTIONS["StackName"],
        "for-use-with-amazon-emr-managed-policies": "true",
    }


def test_driver_and_executors_take_python_3_11(run: _Run) -> None:
    configurations = run.arguments("CreateCluster")["Configurations"]
    (environment,) = [c for c in configurations if c["Classification"] == "spark-env"]
    exported = environment["Configurations"][0]["Properties"]
    assert set(exported) == {"PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"}
    assert set(exported.values()) == {"/usr/bin/python3.11"}


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
    arguments = _Run(PersonalData=str(personal_data).lower()).arguments(state)
    request = {"JobFlowId": arguments["ClusterId"], "Steps": [arguments["Step"]]}
    assert _problems("emr", "AddJobFlowSteps", request) == ""
    assert arguments["Step"]["Name"] == program
    assert arguments["Step"]["HadoopJarStep"]["Jar"] == "command-runner.jar"

    command = arguments["Step"]["HadoopJarStep"]["Args"]
    submit, job = command[:6], command[6:]
    zip_file = f"{SCRIPTS}/{layout.JOBS_ZIP}"
    script = f"{SCRIPTS}/{program}.py"
    assert submit == ["spark-submit", "--deploy-mode", "client", "--py-files", zip_file, script]
    options = parser.parse_args(job)
    assert options.input == f"s3://{BUCKET}/{layout.pinned_folder(RUN_ID)}"
    assert options.output == f"s3://{BUCKET}"
    assert options.run_id == RUN_ID
    if state == "RunKpis":
        assert (options.personal_data, options.curated) == (personal_data, False)
        assert ("--personal-data" in job) == personal_data  # the parser would take half the word


def test_the_steps_name_scripts_that_exist() -> None:
    for module in (transformation_job, kpis):
        assert Path(str(module.__file__)).name == f"{module.PROGRAM}.py"


@pytest.mark.parametrize("name", ["TerminateCluster", "TerminateFailedCluster"])
def test_the_cluster_that_was_made_is_the_one_that_is_ended(name: str, run: _Run) -> None:
    assert run.arguments(name) == {"ClusterId": "j-1"}


@pytest.mark.parametrize("name", ["FindLastCrawl", "StartCrawler", "LookAtCrawl"])
def test_the_crawler_is_the_stacks(name: str, run: _Run) -> None:
    operation = "StartCrawler" if name == "StartCrawler" else "GetCrawler"
    assert _problems("glue", operation, run.arguments(name)) == ""
    assert run.arguments(name) == {"Name": asl.SUBSTITUTIONS["CrawlerName"]}


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("PinInputs", {"run_id": RUN_ID, "batch": INPUT["batch"], "files": INPUT["files"]}),
        ("CheckRun", {"run_id": RUN_ID, "batch": INPUT["batch"]}),
        ("PublishResults", {"run_id": RUN_ID, **INPUT}),
        (
            "ReportFailure",
            {
                "run_id": RUN_ID,
                "batch": INPUT["batch"],
                "execution_arn": CONTEXT["Execution"]["Id"],
                "cluster_id": "j-1",
                "failure": FAILURE,
            },
        ),
    ],
)
def test_the_functions_get_what_they_ask_for(
    name: str, payload: Mapping[str, Any], run: _Run
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
            TableName=asl.SUBSTITUTIONS["LedgerTable"],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )


@pytest.mark.parametrize(
    ("end", "status", "told"),
    [
        ("NotePublished", "PUBLISHED", {}),
        ("NoteFailed", "FAILED", {"error": FAILURE["error"], "cause": "RunJobs: the step failed"}),
    ],
)
def test_the_ledger_tells_the_run(
    end: str, status: str, told: Mapping[str, str], run: _Run, ledger: Any
) -> None:
    for name in ("NoteRunning", end, end):  # once more, as a retry would
        boto3.client("dynamodb", region_name="eu-west-1").update_item(**run.arguments(name))
    (item,) = ledger.scan()["Items"]
    assert item.pop("expiration") > 1_700_000_000
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


def test_what_is_sent_is_json(run: _Run) -> None:
    for name, state in asl.every_state(asl.definition()).items():
        if "Arguments" in state:
            assert json.loads(json.dumps(run.arguments(name))), name


def test_the_logs_lie_where_the_failure_report_looks() -> None:
    uri = _Run(0).arguments("CreateCluster")["LogUri"]
    assert layout.step_logs("j-1", "s-1") == urlsplit(uri).path.strip("/") + "/j-1/steps/s-1"
