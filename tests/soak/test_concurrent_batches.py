"""Many batches uploaded at once to the local cloud, with the deployed template.

Everything is real except Spark: each run gets a copy of what the two jobs wrote for the same input.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
import pytest

from contract import layout
from contract.kpi_tables import KPI_TABLES
from local import deployment
from local.cloud import start, stop
from local.mailbox import confirm_subscriptions
from local.spark.job_runner import JobsRequest, run_jobs
from pipeline.release.spark_package import ENTRY_POINTS, KPIS
from sample_data import write_sample
from tests.infra.support.template import template
from tests.local.support.runs import get_body, list_publication_records, read_object
from tests.local.support.stack import Stack
from tests.local.support.started_runs import (
    StartedRun,
    count_concurrent_runs,
    count_ended_runs,
    find_runs_out_of_order,
    read_runs,
)
from tests.soak.conftest import RecordFigures
from tests.support import precomputed_spark_submit
from tests.support.process_memory import MemoryUse
from tests.support.waiting import wait_until

BATCHES = 100
RENTALS = 40
UPLOADERS = 16  # at the same time
# Each function that runs at the same time is a process on this machine. Further events wait.
PARAMETERS = {"ReceiveUploadConcurrency": "4"}
POLL_SECONDS = 2
# The local cloud shortens waits, but not crawls, which take the longer the more runs there are. The
# state machine must wait for a crawl for about as long, in relation to its duration, as on AWS.
WAIT_SCALE = "0.2"
SECONDS_FOR_FIRST_RUNS = 180
SECONDS_FOR_EACH_RUN = 40
# The server keeps the history of all executions, queries, and objects in memory.
MAX_MEGABYTES_FOR_EACH_RUN = 8
# For each run: its batch, its execution, and its email.
ITEMS_FOR_EACH_RUN = 3
MAX_OTHER_ITEMS = 10
MAX_ITEM_BYTES = 20_000


@dataclass(frozen=True)
class Results:
    """What the stack contains after all runs have ended.

    Attributes:
        runs: The runs, in the order of their starts.
        emails: The texts of the emails.
        items: The items of the ledger.
        crawls: How many crawls ended with each status.
    """

    runs: Sequence[StartedRun]
    emails: Sequence[str]
    items: Sequence[Mapping[str, Any]]
    crawls: Mapping[str, int]

    @classmethod
    def read(cls, stack: Stack, emails_before: int) -> Results:
        """Read the results, without the emails that were sent before the uploads."""
        emails = [get_body(email) for email in stack.read_emails()[emails_before:]]
        return cls(read_runs(stack), emails, read_ledger(stack), count_crawls(stack))

    @property
    def max_item_bytes(self) -> int:
        """The size of the largest item of the ledger."""
        return max(len(json.dumps(item)) for item in self.items)

    @property
    def slots(self) -> set[str]:
        """The runs that have a slot."""
        [slots] = (item for item in self.items if item["id"]["S"] == "run_slots")
        return set(slots.get("runs", {}).get("SS", []))

    @property
    def figures(self) -> dict[str, Any]:
        """The figures of a report."""
        return {
            "runs": len(self.runs),
            "statuses": dict(Counter(run.status for run in self.runs)),
            "results": dict(Counter(run.result for run in self.runs)),
            "runs out of order": len(find_runs_out_of_order(self.runs)),
            "maximum of concurrent runs": count_concurrent_runs(self.runs),
            "crawls": dict(self.crawls),
            "emails": len(self.emails),
            "ledger items": len(self.items),
            "bytes of the largest ledger item": self.max_item_bytes,
        }


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, seed: int) -> Path:
    """A folder with the four files that are uploaded as each batch."""
    folder = tmp_path_factory.mktemp("batch")
    write_sample(folder, rentals=RENTALS, seed=seed)
    return folder


@pytest.fixture(scope="module")
def programs(batch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `spark-submit` that copies what the real jobs wrote for the batch."""
    output, folder = tmp_path_factory.mktemp("output"), tmp_path_factory.mktemp("programs")
    request = JobsRequest(batch, output, precomputed_spark_submit.RUN, "1g")
    assert run_jobs(request, lambda *_: None).exit_code == 0
    for checksum in output.rglob(".*.crc"):  # Spark writes them to local folders, but not to S3
        checksum.unlink()
    for table in KPI_TABLES:
        move(output, folder / KPIS, layout.kpi_prefix(table, request.run_id))
    move(output, folder / KPIS, layout.job_report_key(layout.KPI_JOB, request.run_id))
    shutil.rmtree(request.log_file.parent)
    (transformation_job,) = set(ENTRY_POINTS) - {KPIS}
    shutil.move(output, folder / transformation_job)
    script = folder / "spark-submit"
    command = [sys.executable, "-I", "-S", precomputed_spark_submit.__file__, str(folder)]
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    script.chmod(0o755)
    return folder


def move(source: Path, target: Path, key: str) -> None:
    """Move a file or folder below one folder to the same place below another one."""
    (target / key).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source / key, target / key)


@pytest.fixture(scope="module")
def stack(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The deployed template on a local cloud of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_PROGRAMS", str(programs))
        patch.setenv("SFN_WAIT_SCALE", WAIT_SCALE)
        cloud = start(tmp_path_factory.mktemp("cloud"))
    try:
        outputs = deployment.deploy(cloud, parameters=PARAMETERS)
        confirm_subscriptions(cloud)
        yield Stack(cloud, deployment.STACK, outputs)
    finally:
        stop(cloud.folder)


def test_batches_uploaded_at_once(
    stack: Stack, batch: Path, scaled: Callable[[int], int], record_figures: RecordFigures
) -> None:
    number, emails_before = scaled(BATCHES), len(stack.read_emails())
    memory = MemoryUse(psutil.Process(stack.cloud.pid))
    memory.sample(0)
    begin = monotonic()
    upload_batches(stack, batch, number)
    uploaded_after = monotonic() - begin
    wait_for_runs(stack, number, memory)
    wait_until(lambda: len(stack.read_emails()) >= emails_before + number)
    duration = monotonic() - begin
    results = Results.read(stack, emails_before)
    record_figures(
        "concurrent_batches",
        {
            "batches": number,
            **results.figures,
            **describe_memory(memory),
            "seconds until all files were uploaded": round(uploaded_after),
            "seconds": round(duration),
        },
    )
    check_runs(results, number)
    check_bounds(results, memory, number)
    last_claimed = max(results.runs, key=lambda run: run.claim)
    assert get_published_run(stack) == last_claimed.run_id
    assert list_cluster_states(stack) == {"TERMINATED"}


def check_runs(results: Results, number: int) -> None:
    """Check that each batch has one run and one email, and that the runs kept their order."""
    runs, emails = results.runs, results.emails
    assert [(run.run_id, run.cause) for run in runs if run.status != "SUCCEEDED"] == []
    assert sorted(run.batch for run in runs) == [f"raw/{name}/" for name in get_names(number)]
    assert {run.result for run in runs} <= {"PUBLISHED", "SUPERSEDED"}
    assert find_runs_out_of_order(runs) == []
    assert count_concurrent_runs(runs) <= template()["Parameters"]["MaxConcurrentRuns"]["Default"]
    assert set(results.crawls) == {"SUCCEEDED"}
    assert results.slots == set()
    assert len(emails) == number
    assert {run.run_id for run in runs if count_emails(emails, run.run_id) != 1} == set()


def check_bounds(results: Results, memory: MemoryUse, number: int) -> None:
    """Check that the ledger and the memory of the server are in proportion to the runs."""
    assert len(results.items) <= number * ITEMS_FOR_EACH_RUN + MAX_OTHER_ITEMS
    assert results.max_item_bytes <= MAX_ITEM_BYTES
    assert memory.get_growth(count_first_runs(memory)) <= number * MAX_MEGABYTES_FOR_EACH_RUN


def get_names(number: int) -> list[str]:
    return [f"batch-{index:03}" for index in range(number)]


def upload_batches(stack: Stack, folder: Path, number: int) -> None:
    """Upload all files of all batches at the same time, as far as this machine can."""
    s3 = stack.client("s3")
    with ThreadPoolExecutor(UPLOADERS) as pool:
        uploads = [
            pool.submit(s3.upload_file, str(file), stack.bucket, f"raw/{name}/{file.name}")
            for name in get_names(number)
            for file in sorted(folder.glob("*.csv"))
        ]
    for upload in uploads:
        upload.result()


def wait_for_runs(stack: Stack, number: int, memory: MemoryUse) -> None:
    """Wait until this number of runs has ended, and sample the memory meanwhile."""
    deadline = monotonic() + SECONDS_FOR_FIRST_RUNS + number * SECONDS_FOR_EACH_RUN
    while (ended := count_ended_runs(stack)) < number and monotonic() < deadline:
        memory.sample(ended)
        sleep(POLL_SECONDS)
    memory.sample(ended)
    assert ended == number


def count_first_runs(memory: MemoryUse) -> int:
    """Return the number of runs after which the server has loaded all of its modules."""
    return min(memory.completed, 10)


def describe_memory(memory: MemoryUse) -> dict[str, int]:
    """Return the figures about the memory."""
    first = count_first_runs(memory)
    return {
        "megabytes of the server before the uploads": memory.get_server_size(0),
        f"megabytes of the server after {first} runs": memory.get_server_size(first),
        "megabytes of the server in the end": memory.get_server_size(memory.completed),
        "maximum megabytes of the server with all processes below it": memory.max_total_size,
        "maximum of processes below the server": memory.max_processes,
    }


def count_crawls(stack: Stack) -> Counter[str]:
    """Return how many crawls ended with each status, according to the log of the crawler."""
    crawler = stack.client("glue").get_crawler(Name=stack.get_physical_id("KpiCrawler"))["Crawler"]
    pages = stack.client("logs").get_paginator("filter_log_events")
    matches = (
        re.search(r"Crawl ended with status (\w+)", event["message"])
        for page in pages.paginate(logGroupName=crawler["LastCrawl"]["LogGroup"])
        for event in page["events"]
    )
    return Counter(match[1] for match in matches if match)


def count_emails(emails: Sequence[str], run_id: str) -> int:
    """Return how many emails are about a run. Others can name it as the one that readers see."""
    return sum(f"Run {run_id}\n" in email for email in emails)


def read_ledger(stack: Stack) -> list[dict[str, Any]]:
    pages = stack.client("dynamodb").get_paginator("scan")
    return [
        item
        for page in pages.paginate(TableName=stack.outputs["LedgerTableName"])
        for item in page["Items"]
    ]


def get_published_run(stack: Stack) -> str:
    """Return the run of the newest publication record."""
    run_id: str = json.loads(read_object(stack, list_publication_records(stack)[-1]))["run_id"]
    return run_id


def list_cluster_states(stack: Stack) -> set[str]:
    pages = stack.client("emr").get_paginator("list_clusters")
    return {cluster["Status"]["State"] for page in pages.paginate() for cluster in page["Clusters"]}
