"""Tests of `./run demo` as a user calls it: a complete run with real Spark, and interruptions."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.target.local_clouds import list_running_clouds
from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from local import deployment
from local.cloud import LOCAL_FOLDER, PROJECT_ROOT, find, stop
from sample_data import write_sample
from tests.local.support.runs import get_cluster_id, get_cluster_state, list_keys, query
from tests.local.support.stack import Stack
from tests.oracle import compute_expected
from tests.support.results import REAL_DATA
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("demo")

TIMEOUT = 300  # seconds
REAL_TOTALS = {"total_transactions": "20080", "total_revenue": "16200620.00"}
# The prefixes in section 5 of the data contract. A run writes objects with each of them.
PREFIXES = [
    *(f"batches/run_id={{run}}/{dataset.file}" for dataset in DATASETS),
    *(f"output/{dataset.name}/run_id={{run}}/" for dataset in DATASETS),
    *(f"quarantine/{dataset.name}/run_id={{run}}/" for dataset in DATASETS),
    *(f"kpi_output/{table.name}/run_id={{run}}/" for table in KPI_TABLES),
    "runs/{run}/transformation.json",
    "runs/{run}/kpis.json",
    "reports/{run}/email.txt",
    "reports/{run}/answers.json",
    "athena_results/",
    "emr-scripts/",
    "published_runs/",
    "logs/emr/",
    "raw/",
]


def start_demo(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    path = os.pathsep.join([str(PROJECT_ROOT), str(PROJECT_ROOT / "src")])
    return subprocess.Popen(
        [sys.executable, "-P", "-u", "-m", "cli", "demo", *arguments],
        env=kept | {"PYTHONPATH": path, "COLUMNS": "200"} | environment,
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def find_stack(output: str) -> Stack:
    """Return the stack of a demo that was started with --keep, given the output of the demo."""
    [mailbox] = re.findall(r"^ *Emails: (\S+)$", output, re.MULTILINE)
    cloud = find((PROJECT_ROOT / mailbox).parent)
    assert cloud is not None
    return Stack(cloud, deployment.STACK, deployment.get_outputs(cloud))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the real files if it exists, otherwise generated sample data."""
    if REAL_DATA.is_dir():
        return REAL_DATA
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, rentals=500, error_rate=0.01, seed=1)
    return folder


def test_demo_produces_correct_totals_and_one_email(files: Path, tmp_path: Path) -> None:
    before = set(PROJECT_ROOT.iterdir())
    process = start_demo(str(files), "--keep", TMPDIR=str(tmp_path), HOME=str(tmp_path))
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, output
    # The demo writes only to its own folder.
    assert list(tmp_path.iterdir()) == []
    assert set(PROJECT_ROOT.iterdir()) - before <= {LOCAL_FOLDER}
    stack = find_stack(output)
    try:
        [totals] = query(stack, "SELECT * FROM transaction_metrics")
        [row] = compute_expected(files).tables["transaction_metrics"]
        assert {name: totals[name] for name in row} == {
            name: str(value) for name, value in row.items()
        }
        if files == REAL_DATA:
            assert REAL_TOTALS.items() <= totals.items()
        [run_id] = [arn.rpartition(":")[2] for arn in list_succeeded_executions(stack)]
        assert get_cluster_state(stack, get_cluster_id(stack, run_id)) == "TERMINATED"
        assert [
            prefix for prefix in PREFIXES if not list_keys(stack, prefix.format(run=run_id))
        ] == []
        revenue, rentals = f"{row['total_revenue']:,}", f"{row['total_transactions']:,}"
        subjects = [email["Subject"] for email in stack.read_emails()]
        [subject] = [subject for subject in subjects if "KPIs" in subject]
        assert re.fullmatch(
            r"Rental KPIs: [\d.,]+[MK]?, (week [+-][\d.]+%, )?\d+ rejected \([\w-]+\)", subject
        )
        assert f"\n{revenue} from {rentals} rentals\n" in output
        assert f"Subject: {subject}" in output
        assert f"export AWS_ENDPOINT_URL={stack.cloud.endpoint}" in output
    finally:
        stop(stack.cloud.folder)


def list_succeeded_executions(stack: Stack) -> Iterator[str]:
    """Yield the ARNs of all executions, each of which must have succeeded."""
    response = stack.client("stepfunctions").list_executions(
        stateMachineArn=stack.state_machine_arn
    )
    for execution in response["executions"]:
        assert execution["status"] == "SUCCEEDED"
        yield execution["executionArn"]


@pytest.mark.parametrize("moment", ["server process", "Starting the local cloud", "CreateCluster"])
def test_interrupted_demo_leaves_nothing_running(files: Path, moment: str) -> None:
    before = {cloud.folder for cloud in list_running_clouds()}
    process = start_demo(str(files))
    assert process.stdout is not None
    try:
        if moment == "server process":
            assert wait_until(lambda: bool(find_demo_folders() - before))
        else:
            next(line for line in process.stdout if line.lstrip().startswith(moment))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
    finally:
        process.kill()
    assert {cloud.folder for cloud in list_running_clouds()} == before
    assert wait_until(lambda: not find_demo_folders() - before, 20)


def find_demo_folders() -> set[Path]:
    """Return the folders of demos that the command line of any process contains."""
    folders = set()
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        folders |= {
            LOCAL_FOLDER / name for name in re.findall(rf"{LOCAL_FOLDER}/(demo[-0-9]*)", command)
        }
    return folders
