"""`./run demo` as a user calls it: with real Spark to its end, and broken off."""

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

from cli.cloud.target import list_running_clouds
from contract.datasets import DATASETS
from contract.kpi_tables import KPI_TABLES
from local import deployment
from local.cloud import LOCAL_FOLDER, PROJECT_ROOT, find, stop
from sample_data import write_sample
from tests.local.support.runs import query, get_cluster_id, get_cluster_state, list_keys
from tests.local.support.stack import Stack
from tests.oracle import compute_expected
from tests.support.results import REAL_DATA
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("demo")

LIMIT = 300  # seconds
KNOWN = {"total_transactions": "20080", "total_revenue": "16200620.00"}  # of the real files
# Section 5 of the data contract: below each of these lies something of the run.
PLACES = [
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


def _demo(*words: str, **environment: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    path = os.pathsep.join([str(PROJECT_ROOT), str(PROJECT_ROOT / "src")])
    return subprocess.Popen(
        [sys.executable, "-P", "-u", "-m", "cli", "demo", *words],
        env=kept | {"PYTHONPATH": path, "COLUMNS": "200"} | environment,
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _kept(said: str) -> Stack:
    """The stack of the demo that said this, which left its cloud running."""
    [mailbox] = re.findall(r"^ *Emails: (\S+)$", said, re.MULTILINE)
    cloud = find((PROJECT_ROOT / mailbox).parent)
    assert cloud is not None
    return Stack(cloud, deployment.STACK, deployment.get_outputs(cloud))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real files where they are, else made-up ones."""
    if REAL_DATA.is_dir():
        return REAL_DATA
    folder = tmp_path_factory.mktemp("made-up")
    write_sample(folder, rentals=500, error_rate=0.01, seed=1)
    return folder


def test_it_comes_to_the_right_totals_and_one_mail(files: Path, tmp_path: Path) -> None:
    before = set(PROJECT_ROOT.iterdir())
    process = _demo(str(files), "--keep", TMPDIR=str(tmp_path), HOME=str(tmp_path))
    said, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, said
    # Nothing lies anywhere but in its own folder.
    assert list(tmp_path.iterdir()) == []
    assert set(PROJECT_ROOT.iterdir()) - before <= {LOCAL_FOLDER}
    stack = _kept(said)
    try:
        [totals] = query(stack, "SELECT * FROM transaction_metrics")
        [row] = compute_expected(files).tables["transaction_metrics"]
        assert {name: totals[name] for name in row} == {k: str(v) for k, v in row.items()}
        if files == REAL_DATA:
            assert KNOWN.items() <= totals.items()
        [run] = [name.rpartition(":")[2] for name in _executions(stack)]
        assert get_cluster_state(stack, get_cluster_id(stack, run)) == "TERMINATED"
        assert [place for place in PLACES if not list_keys(stack, place.format(run=run))] == []
        revenue, rentals = f"{row['total_revenue']:,}", f"{row['total_transactions']:,}"
        [told] = [mail["Subject"] for mail in stack.read_emails() if "KPIs" in mail["Subject"]]
        assert re.fullmatch(
            rf"Rental KPIs [\w-]+: {re.escape(revenue)} from {rentals} rentals", told
        )
        assert f"Subject: {told}" in said
        assert f"export AWS_ENDPOINT_URL={stack.cloud.endpoint}" in said
    finally:
        stop(stack.cloud.folder)


def _executions(stack: Stack) -> Iterator[str]:
    listed = stack.client("stepfunctions").list_executions(stateMachineArn=stack.state_machine_arn)
    for execution in listed["executions"]:
        assert execution["status"] == "SUCCEEDED"
        yield execution["executionArn"]


@pytest.mark.parametrize(
    "moment", ["its server starts", "Starting the local cloud", "CreateCluster"]
)
def test_ctrl_c_leaves_nothing_running(files: Path, moment: str) -> None:
    before = {cloud.folder for cloud in list_running_clouds()}
    process = _demo(str(files))
    assert process.stdout is not None
    try:
        if moment == "its server starts":
            assert wait_until(lambda: bool(_processes_of_demos() - before))
        else:
            next(line for line in process.stdout if line.lstrip().startswith(moment))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
    finally:
        process.kill()
    assert {cloud.folder for cloud in list_running_clouds()} == before
    assert wait_until(lambda: not _processes_of_demos() - before, 20)


def _processes_of_demos() -> set[Path]:
    """The folders of demos that some process's command names."""
    found = set()
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        found |= {LOCAL_FOLDER / name for name in re.findall(rf"{LOCAL_FOLDER}/(demo[-0-9]*)", words)}
    return found
