"""Tests of steps as real processes: how they end, what they leave behind, and Spark on `s3://`."""

from __future__ import annotations

import gzip
import io
import os
import re
import signal
import zipfile
from pathlib import Path

import pytest

from local.cloud import running
from tests.local.support.emr_sandbox import (
    BUCKET,
    BUCKET_ACCESS,
    FINAL_STEP_STATES,
    INSTANCE_PROFILE,
    EmrSandbox,
    command_step,
    create_emr_sandbox,
    shell_step,
)
from tests.support.processes import SLEEP_IN_NEW_SESSION, is_alive
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("local")


@pytest.fixture(scope="module")
def cluster(sandbox: EmrSandbox) -> str:
    return sandbox.start_cluster(StepConcurrencyLevel=4)


def wait_for_pid(file: Path) -> int:
    """Wait until a step has written its process ID to a file, and return it."""
    assert wait_until(lambda: file.is_file() and file.read_text().endswith("\n"), 30)
    return int(file.read_text())


def test_successful_step_stores_logs(sandbox: EmrSandbox, cluster: str) -> None:
    (step,) = sandbox.add_steps(cluster, shell_step("echo out; echo err >&2; pwd"))
    assert sandbox.wait_for_step(cluster, step, FINAL_STEP_STATES)["State"] == "COMPLETED"
    assert sandbox.read_log(cluster, step, "stdout").startswith("out\n")
    assert sandbox.read_log(cluster, step, "stderr") == "err\nCommand exiting with ret '0'\n"
    assert "Step succeeded" in sandbox.read_log(cluster, step, "controller")


def test_failed_step_names_its_log(sandbox: EmrSandbox, cluster: str) -> None:
    (step,) = sandbox.add_steps(cluster, shell_step("echo no >&2; exit 3"))
    status = sandbox.wait_for_step(cluster, step, FINAL_STEP_STATES)
    assert status["State"] == "FAILED"
    assert status["FailureDetails"] == {
        "Reason": "Unknown Error.",
        "LogFile": f"s3://{BUCKET}/logs/{cluster}/steps/{step}/stderr.gz",
    }
    assert sandbox.read_log(cluster, step, "stderr") == "no\nCommand exiting with ret '3'\n"


def test_step_that_cannot_run_fails_with_reason(sandbox: EmrSandbox, cluster: str) -> None:
    jar = {"Name": "jar", "ActionOnFailure": "CONTINUE", "HadoopJarStep": {"Jar": "s3://b/x.jar"}}
    steps = sandbox.add_steps(cluster, command_step("no-such-program"), jar)
    for step in steps:
        assert sandbox.wait_for_step(cluster, step, FINAL_STEP_STATES)["State"] == "FAILED"
    assert 'Cannot run program "no-such-program"' in sandbox.read_log(cluster, steps[0], "stderr")
    assert "runs only command-runner.jar" in sandbox.read_log(cluster, steps[1], "stderr")


def test_step_has_credentials_of_instance_profile_only(sandbox: EmrSandbox, cluster: str) -> None:
    (step,) = sandbox.add_steps(cluster, shell_step("env"))
    sandbox.wait_for_step(cluster, step, FINAL_STEP_STATES)
    lines = sandbox.read_log(cluster, step, "stdout").splitlines()
    variables = dict(line.partition("=")[::2] for line in lines)
    assert variables["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert not [name for name in variables if name.startswith(("LOCAL_", "MINISTACK", "LAMBDA_"))]


@pytest.mark.parametrize(
    ("option", "output"), [("SEND_INTERRUPT", "interrupted"), ("TERMINATE_PROCESS", "")]
)
def test_canceled_step_is_interrupted_or_killed(
    sandbox: EmrSandbox, cluster: str, tmp_path: Path, option: str, output: str
) -> None:
    pid_file = tmp_path / "pid"
    script = (
        f"trap 'echo interrupted; exit 1' TERM; echo $$ >{pid_file}; while :; do sleep 0.1; done"
    )
    (step,) = sandbox.add_steps(cluster, shell_step(script))
    pid = wait_for_pid(pid_file)
    (info,) = sandbox.emr.cancel_steps(
        ClusterId=cluster, StepIds=[step], StepCancellationOption=option
    )["CancelStepsInfoList"]
    assert info == {"StepId": step, "Status": "SUBMITTED"}
    assert sandbox.wait_for_step(cluster, step, FINAL_STEP_STATES)["State"] == "CANCELLED"
    assert wait_until(lambda: not is_alive(pid), 10)
    assert sandbox.read_log(cluster, step, "stdout").strip() == output


def test_background_process_ends_with_step(
    sandbox: EmrSandbox, cluster: str, tmp_path: Path
) -> None:
    (step,) = sandbox.add_steps(cluster, shell_step(f"sleep 600 & echo $! >{tmp_path / 'pid'}"))
    assert sandbox.wait_for_step(cluster, step, FINAL_STEP_STATES)["State"] == "COMPLETED"
    pid = wait_for_pid(tmp_path / "pid")
    assert wait_until(lambda: not is_alive(pid), 10)


def test_terminated_cluster_kills_all_descendants_of_its_steps(
    sandbox: EmrSandbox, tmp_path: Path
) -> None:
    cluster = sandbox.start_cluster()
    # The process is in its own session, so killing the process group is not enough.
    script = f"echo half; {SLEEP_IN_NEW_SESSION} & echo $! >{tmp_path / 'pid'}; trap '' TERM; wait"
    running_step, pending_step = sandbox.add_steps(cluster, shell_step(script), shell_step("true"))
    pid = wait_for_pid(tmp_path / "pid")
    sandbox.emr.terminate_job_flows(JobFlowIds=[cluster])
    assert sandbox.wait_for_cluster(cluster, {"TERMINATED"})
    assert wait_until(lambda: not is_alive(pid), 10)
    assert sandbox.get_step_status(cluster, running_step)["State"] == "CANCELLED"
    assert sandbox.get_step_status(cluster, pending_step)["State"] == "CANCELLED"
    assert sandbox.read_log(cluster, running_step, "stdout") == "half\n"


def test_killed_server_kills_its_steps(tmp_path: Path) -> None:
    with running(tmp_path / "cloud") as cloud:
        sandbox = create_emr_sandbox(cloud)
        cluster = sandbox.start_cluster()
        script = f"echo $$ >{tmp_path / 'pid'}; while :; do sleep 0.1; done"
        sandbox.add_steps(cluster, shell_step(script))
        pid = wait_for_pid(tmp_path / "pid")
        os.kill(cloud.pid, signal.SIGKILL)
        assert wait_until(lambda: not is_alive(pid), 10)


def test_step_without_read_permission_fails_with_reason(sandbox: EmrSandbox, cluster: str) -> None:
    write_only = {**BUCKET_ACCESS, "Action": ["s3:PutObject"]}
    try:
        sandbox.put_role(INSTANCE_PROFILE, "ec2.amazonaws.com", [write_only])
        script = sandbox.put_object("scripts/x.py", b"")
        (step,) = sandbox.add_steps(cluster, command_step("spark-submit", script))
        status = sandbox.wait_for_step(cluster, step, FINAL_STEP_STATES)
    finally:
        sandbox.put_role(INSTANCE_PROFILE, "ec2.amazonaws.com", [BUCKET_ACCESS])
    assert status["State"] == "FAILED"
    assert "s3:GetObject" in status["FailureDetails"]["Message"]
    assert f"s3://{BUCKET}/scripts/x.py" in status["FailureDetails"]["Message"]
    assert "s3:GetObject" in sandbox.read_log(cluster, step, "stderr")


JOB = f"""
import sys

from helper import NAME
from pyspark.sql import SparkSession

arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert arguments["--input"] == "s3://{BUCKET}/batches/run_id=r1", sys.argv
spark = SparkSession.builder.appName("sandbox").getOrCreate()
rows = spark.read.text(arguments["--input"])
for table in ("users", "rentals"):
    out = f"{{arguments['--output']}}/output/{{table}}/run_id={{arguments['--run-id']}}"
    rows.write.mode("overwrite").parquet(out)
print(NAME, rows.count(), spark.conf.get("spark.sql.session.timeZone"))
print("message on standard error", file=sys.stderr)
spark.stop()
sys.exit(3)
"""


def test_spark_reads_and_writes_s3_with_unchanged_arguments(sandbox: EmrSandbox) -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("helper.py", "NAME = 'helper'\n")
    sandbox.put_object("batches/run_id=r1/a.csv", b"1\n2\n")
    sandbox.put_object("batches/run_id=r1/b.csv", b"3\n")
    # The job overwrites what an earlier attempt has left, and nothing else.
    sandbox.put_object("output/users/run_id=r1/part-old", b"x")
    sandbox.put_object("output/users/run_id=r0/part-old", b"x")
    cluster = sandbox.start_cluster(
        keep_alive=False,
        Configurations=[
            {
                "Classification": "spark-defaults",
                "Properties": {
                    "spark.sql.session.timeZone": "Asia/Tokyo",
                    "spark.driver.memory": "999g",
                },
            }
        ],
        Steps=[
            command_step(
                "spark-submit",
                "--deploy-mode",
                "client",
                "--py-files",
                sandbox.put_object("scripts/jobs.zip", package.getvalue()),
                sandbox.put_object("scripts/job.py", JOB.encode()),
                "--input",
                f"s3://{BUCKET}/batches/run_id=r1",
                "--output",
                f"s3://{BUCKET}",
                "--run-id",
                "r1",
            )
        ],
    )
    sandbox.wait_for_cluster(cluster, {"TERMINATED"}, timeout=180)
    (step,) = sandbox.emr.list_steps(ClusterId=cluster)["Steps"]
    errors = sandbox.read_log(cluster, step["Id"], "stderr")
    # In client mode, Spark writes both streams of the Python process to its own standard output.
    output = sorted(sandbox.read_log(cluster, step["Id"], "stdout").splitlines())
    assert output == ["helper 3 Asia/Tokyo", "message on standard error"], errors
    # The job exits with code 3 on purpose: what it wrote before is stored nevertheless.
    assert step["Status"]["State"] == "FAILED"
    assert errors.endswith("Command exiting with ret '3'\n")
    written = {key.partition("run_id=")[::2] for key in sandbox.list_keys("output/")}
    assert ("output/users/", "r0/part-old") in written
    assert ("output/users/", "r1/part-old") not in written
    for table in ("users", "rentals"):
        names = {name for folder, name in written if folder == f"output/{table}/"}
        assert "r1/_SUCCESS" in names
        assert any(name.endswith(".parquet") for name in names)
        assert not any(name.endswith(".crc") or "_temporary" in name for name in names)


ECHO_JOB = """
import sys

print(*sys.argv[1:])
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("code", "state", "status"), [(0, "COMPLETED", "SUCCEEDED"), (3, "FAILED", "FAILED")]
)
def test_output_of_cluster_mode_is_in_the_container_of_the_driver(
    sandbox: EmrSandbox, cluster: str, code: int, state: str, status: str
) -> None:
    script = sandbox.put_object("scripts/echo.py", ECHO_JOB.encode())
    (step,) = sandbox.add_steps(
        cluster,
        command_step(
            *("spark-submit", "--master", "yarn", "--deploy-mode", "cluster", script),
            *(str(code), "--deploy-mode", "cluster"),
        ),
    )
    result = sandbox.wait_for_step(cluster, step, FINAL_STEP_STATES, timeout=60)
    assert result["State"] == state
    errors = sandbox.read_log(cluster, step, "stderr")
    assert sandbox.read_log(cluster, step, "stdout") == ""
    assert f"final status: {status}\n" in errors
    [application] = set(re.findall(r"application_\d{13}_\d{4}", errors))
    container = application.replace("application", "container") + "_01_000001"
    folder = f"logs/{cluster}/containers/{application}/{container}"
    assert sandbox.list_keys(folder) == {f"{folder}/stderr.gz", f"{folder}/stdout.gz"}
    output = gzip.decompress(sandbox.read_object(f"{folder}/stdout.gz")).decode()
    assert output == f"{code} --deploy-mode cluster\n"
    if code == 0:
        assert "FailureDetails" not in result
        assert errors.endswith("Command exiting with ret '0'\n")
    else:
        assert result["FailureDetails"] == {
            "Reason": "Unknown Error.",
            "Message": 'Exception in thread "main" org.apache.spark.SparkException: '
            f"Application {application} finished with failed status",
            "LogFile": f"s3://{BUCKET}/logs/{cluster}/steps/{step}/stderr.gz",
        }
        # The exit code of spark-submit, which is 1 whatever the exit code of the driver.
        assert errors.endswith("Command exiting with ret '1'\n")


def test_container_of_the_driver_is_in_the_logs_of_its_own_cluster(sandbox: EmrSandbox) -> None:
    """The applications of each cluster are numbered from 1."""
    cluster = sandbox.start_cluster()
    script = sandbox.put_object("scripts/echo.py", ECHO_JOB.encode())
    (step,) = sandbox.add_steps(
        cluster, command_step("spark-submit", "--deploy-mode=cluster", script, "0")
    )
    sandbox.wait_for_step(cluster, step, FINAL_STEP_STATES, timeout=60)
    [folder] = {key.split("/")[3] for key in sandbox.list_keys(f"logs/{cluster}/containers/")}
    assert re.fullmatch(r"application_\d{13}_0001", folder)
    sandbox.emr.terminate_job_flows(JobFlowIds=[cluster])
