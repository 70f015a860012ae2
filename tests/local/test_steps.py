"""Steps as real processes: how they end, what they leave, and Spark on `s3://`."""

from __future__ import annotations

import io
import os
import signal
import zipfile
from pathlib import Path

import pytest

from local.cloud import Cloud, running
from local.extensions.s3.bucket_copy import S3AccessError, S3Copy
from tests.local.emr_lab import ALL_OF_BUCKET, BUCKET, OVER, PROFILE, Lab, command, make_lab, shell
from tests.support.processes import SLEEP_APART, is_alive
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("local")


@pytest.fixture(scope="module")
def lab(cloud: Cloud) -> Lab:
    return make_lab(cloud)


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> str:
    return lab.run_cluster(StepConcurrencyLevel=4)


def _pid(file: Path) -> int:
    """The number that a step's shell leaves in a file."""
    assert wait_until(lambda: file.is_file() and file.read_text().endswith("\n"), 30)
    return int(file.read_text())


# How they end


def test_a_step_that_succeeds_leaves_its_logs(lab: Lab, cluster: str) -> None:
    (step,) = lab.add(cluster, shell("echo out; echo err >&2; pwd"))
    assert lab.wait_for_step(cluster, step, OVER)["State"] == "COMPLETED"
    assert lab.log(cluster, step, "stdout").startswith("out\n")
    assert lab.log(cluster, step, "stderr") == "err\nCommand exiting with ret '0'\n"
    assert "Step succeeded" in lab.log(cluster, step, "controller")


def test_a_step_that_fails_says_where_its_log_is(lab: Lab, cluster: str) -> None:
    (step,) = lab.add(cluster, shell("echo no >&2; exit 3"))
    status = lab.wait_for_step(cluster, step, OVER)
    assert status["State"] == "FAILED"
    assert status["FailureDetails"] == {
        "Reason": "Unknown Error.",
        "LogFile": f"s3://{BUCKET}/logs/{cluster}/steps/{step}/stderr.gz",
    }
    assert lab.log(cluster, step, "stderr") == "no\nCommand exiting with ret '3'\n"


def test_what_cannot_be_run_fails_with_the_reason(lab: Lab, cluster: str) -> None:
    jar = {"Name": "jar", "ActionOnFailure": "CONTINUE", "HadoopJarStep": {"Jar": "s3://b/x.jar"}}
    steps = lab.add(cluster, command("no-such-program"), jar)
    for step in steps:
        assert lab.wait_for_step(cluster, step, OVER)["State"] == "FAILED"
    assert 'Cannot run program "no-such-program"' in lab.log(cluster, steps[0], "stderr")
    assert "Only command-runner.jar runs here" in lab.log(cluster, steps[1], "stderr")


def test_a_step_has_the_profiles_credentials_and_not_the_servers(lab: Lab, cluster: str) -> None:
    (step,) = lab.add(cluster, shell("env"))
    lab.wait_for_step(cluster, step, OVER)
    variables = dict(
        line.partition("=")[::2] for line in lab.log(cluster, step, "stdout").splitlines()
    )
    assert variables["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert not [name for name in variables if name.startswith(("LOCAL_", "MINISTACK", "LAMBDA_"))]


@pytest.mark.parametrize(("way", "word"), [("SEND_INTERRUPT", "asked"), ("TERMINATE_PROCESS", "")])
def test_a_cancelled_step_is_asked_or_killed(
    lab: Lab, cluster: str, tmp_path: Path, way: str, word: str
) -> None:
    pid_file = tmp_path / "pid"
    script = f"trap 'echo asked; exit 1' TERM; echo $$ >{pid_file}; while :; do sleep 0.1; done"
    (step,) = lab.add(cluster, shell(script))
    pid = _pid(pid_file)
    (info,) = lab.emr.cancel_steps(ClusterId=cluster, StepIds=[step], StepCancellationOption=way)[
        "CancelStepsInfoList"
    ]
    assert info == {"StepId": step, "Status": "SUBMITTED"}
    assert lab.wait_for_step(cluster, step, OVER)["State"] == "CANCELLED"
    assert wait_until(lambda: not is_alive(pid), 10)
    assert lab.log(cluster, step, "stdout").strip() == word


def test_what_a_step_leaves_running_ends_with_it(lab: Lab, cluster: str, tmp_path: Path) -> None:
    (step,) = lab.add(cluster, shell(f"sleep 600 & echo $! >{tmp_path / 'pid'}"))
    assert lab.wait_for_step(cluster, step, OVER)["State"] == "COMPLETED"
    pid = _pid(tmp_path / "pid")
    assert wait_until(lambda: not is_alive(pid), 10)


def test_the_end_of_a_cluster_ends_processes_and_what_they_started(
    lab: Lab, tmp_path: Path
) -> None:
    cluster = lab.run_cluster()
    # In a session of its own: the process group would not end it.
    script = f"echo half; {SLEEP_APART} & echo $! >{tmp_path / 'pid'}; trap '' TERM; wait"
    running_step, pending_step = lab.add(cluster, shell(script), shell("true"))
    pid = _pid(tmp_path / "pid")
    lab.emr.terminate_job_flows(JobFlowIds=[cluster])
    lab.wait_for_cluster(cluster, {"TERMINATED"})
    assert wait_until(lambda: not is_alive(pid), 10)
    assert lab.step(cluster, running_step)["State"] == "CANCELLED"
    assert lab.step(cluster, pending_step)["State"] == "CANCELLED"
    assert lab.log(cluster, running_step, "stdout") == "half\n"


def test_a_server_that_is_killed_takes_its_steps_with_it(tmp_path: Path) -> None:
    with running(tmp_path / "cloud") as cloud:
        lab = make_lab(cloud)
        cluster = lab.run_cluster()
        lab.add(cluster, shell(f"echo $$ >{tmp_path / 'pid'}; while :; do sleep 0.1; done"))
        pid = _pid(tmp_path / "pid")
        os.kill(cloud.pid, signal.SIGKILL)
        assert wait_until(lambda: not is_alive(pid), 10)


# Their files


def test_a_copy_does_to_s3_what_was_done_to_it(lab: Lab, tmp_path: Path) -> None:
    lab.put("copy/in/a", b"a")
    lab.put("copy/in/b/c", b"c")
    lab.put("copy/old/part-1", b"old")
    copy = S3Copy(lab.client("s3"), tmp_path)
    assert copy.fetch(f"s3://{BUCKET}/copy/in") == 2
    assert copy.fetch(f"s3://{BUCKET}/copy/none") == 0
    copy.outline(f"s3://{BUCKET}/copy/old")
    folder = copy.bucket(BUCKET) / "copy"
    assert (folder / "in/b/c").read_bytes() == b"c"
    (folder / "old/part-1").unlink()
    (folder / "old/part-2").write_bytes(b"new")
    (folder / "old/_temporary").mkdir()
    (folder / "old/_temporary/part-3").write_bytes(b"half")
    (folder / "old/_SUCCESS").touch()
    (folder / "in/a").write_bytes(b"changed")
    copy.store()
    assert lab.keys("copy/") == {
        "copy/in/a",
        "copy/in/b/c",
        "copy/old/part-2",
        "copy/old/_SUCCESS",
    }
    body = lab.client("s3").get_object(Bucket=BUCKET, Key="copy/in/a")["Body"].read()
    assert body == b"changed"


@pytest.mark.parametrize("missing", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"])
def test_a_right_that_the_role_lacks_is_named(lab: Lab, tmp_path: Path, missing: str) -> None:
    left = [action for action in ALL_OF_BUCKET[0]["Action"] if action != missing]
    role = lab.make_role(
        "lacks-" + missing.partition(":")[2],
        "ec2.amazonaws.com",
        [{**ALL_OF_BUCKET[0], "Action": left}],
    )
    lab.put("rights/a", b"a")
    copy = S3Copy(lab.as_role(role, "s3"), tmp_path)

    def use() -> None:
        copy.fetch(f"s3://{BUCKET}/rights/a")
        folder = copy.bucket(BUCKET) / "rights/out"
        folder.mkdir(parents=True)
        (folder / "_SUCCESS").touch()
        copy.store()

    with pytest.raises(S3AccessError, match=missing):
        use()


def test_a_step_whose_role_may_not_read_fails_and_says_so(lab: Lab, cluster: str) -> None:
    try:
        lab.make_role(PROFILE, "ec2.amazonaws.com", [_only("s3:PutObject")])
        (step,) = lab.add(cluster, command("spark-submit", lab.put("scripts/x.py", b"")))
        status = lab.wait_for_step(cluster, step, OVER)
    finally:
        lab.make_role(PROFILE, "ec2.amazonaws.com", ALL_OF_BUCKET)
    assert status["State"] == "FAILED"
    assert "s3:GetObject" in status["FailureDetails"]["Message"]
    assert f"s3://{BUCKET}/scripts/x.py" in status["FailureDetails"]["Message"]
    assert "s3:GetObject" in lab.log(cluster, step, "stderr")


def _only(action: str) -> dict[str, object]:
    return {**ALL_OF_BUCKET[0], "Action": [action]}


_JOB = b"""
import sys

from helper import NAME
from pyspark.sql import SparkSession

arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert arguments["--input"] == "s3://emr-lab/batches/run_id=r1", sys.argv
spark = SparkSession.builder.appName("lab").getOrCreate()
rows = spark.read.text(arguments["--input"])
for table in ("users", "rentals"):
    out = f"{arguments['--output']}/output/{table}/run_id={arguments['--run-id']}"
    rows.write.mode("overwrite").parquet(out)
print(NAME, rows.count(), spark.conf.get("spark.sql.session.timeZone"))
print("a word of the job", file=sys.stderr)
spark.stop()
sys.exit(3)
"""


def test_spark_reads_and_writes_s3_with_its_arguments_unchanged(lab: Lab) -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("helper.py", "NAME = 'helped'\n")
    lab.put("batches/run_id=r1/a.csv", b"1\n2\n")
    lab.put("batches/run_id=r1/b.csv", b"3\n")
    # What an earlier try has left is overwritten; what others wrote is not touched.
    lab.put("output/users/run_id=r1/part-old", b"x")
    lab.put("output/users/run_id=r0/part-old", b"x")
    cluster = lab.run_cluster(
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
            command(
                "spark-submit",
                "--deploy-mode",
                "client",
                "--py-files",
                lab.put("scripts/jobs.zip", package.getvalue()),
                lab.put("scripts/job.py", _JOB),
                "--input",
                f"s3://{BUCKET}/batches/run_id=r1",
                "--output",
                f"s3://{BUCKET}",
                "--run-id",
                "r1",
            )
        ],
    )
    lab.wait_for_cluster(cluster, {"TERMINATED"}, limit=180)
    (step,) = lab.emr.list_steps(ClusterId=cluster)["Steps"]
    errors = lab.log(cluster, step["Id"], "stderr")
    # In client mode Spark has one stream for all that Python writes: its own standard output.
    said = sorted(lab.log(cluster, step["Id"], "stdout").splitlines())
    assert said == ["a word of the job", "helped 3 Asia/Tokyo"], errors
    # It exits with 3 on purpose: what it had written until then is there all the same.
    assert step["Status"]["State"] == "FAILED"
    assert errors.endswith("Command exiting with ret '3'\n")
    written = {key.partition("run_id=")[::2] for key in lab.keys("output/")}
    assert ("output/users/", "r0/part-old") in written
    assert ("output/users/", "r1/part-old") not in written
    for table in ("users", "rentals"):
        names = {name for folder, name in written if folder == f"output/{table}/"}
        assert "r1/_SUCCESS" in names
        assert any(name.endswith(".parquet") for name in names)
        assert not any(name.endswith(".crc") or "_temporary" in name for name in names)
