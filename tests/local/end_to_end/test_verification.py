"""`./run verify` on the deployed template, with the oracle in place of Spark."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cli.target.account import Account, open_local_cloud
from cli.target.stack import Stack as DeployedStack
from cli.target.stack import get_stack
from cli.verification import verification_run, verifier
from cli.verification.known_batch import BATCH_FOLDER, load_expected_results
from cli.verification.verifier import remove_run, verify
from contract.datasets import DATASETS
from contract.exit_codes import EXIT_INTERNAL_ERROR, EXIT_OK
from contract.kpi_tables import KPI_TABLES
from local.errors import UserError
from local.mailbox import read_emails
from pipeline.ledger.keys import POINTER, RUN_SLOTS
from pipeline.ledger.table import LedgerTable
from tests.local.support.runs import list_publication_records, query
from tests.local.support.stack import Stack
from tests.support.console import create_console, get_output
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("local")


@pytest.fixture
def account(published_stack: Stack) -> Account:
    return open_local_cloud(published_stack.cloud)


@pytest.fixture
def deployed(account: Account, published_stack: Stack) -> DeployedStack:
    return get_stack(account, published_stack.name)


def run_verification(
    account: Account, deployed: DeployedStack, *, keep: bool = False
) -> tuple[int, str]:
    """Verify the stack, and return the exit code and the output."""
    console = create_console(width=200)
    exit_code = verify(account, deployed, console, keep=keep)
    return exit_code, get_output(console)


def list_versions(stack: Stack) -> set[tuple[str, str]]:
    """Return the key and version of every object, without the results of statements about views."""
    pages = stack.client("s3").get_paginator("list_object_versions").paginate(Bucket=stack.bucket)
    return {
        (entry["Key"], entry["VersionId"])
        for page in pages
        for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if not entry["Key"].endswith((".txt", ".txt.metadata")) or "reports/" in entry["Key"]
    }


def list_partitions(stack: Stack) -> set[tuple[str, str]]:
    """Return the table and run of every partition in the catalog."""
    glue = stack.client("glue")
    return {
        (table.name, partition["Values"][0])
        for table in (*DATASETS, *KPI_TABLES)
        for page in glue.get_paginator("get_partitions").paginate(
            DatabaseName=stack.outputs["DatabaseName"], TableName=f"history_{table.name}"
        )
        for partition in page["Partitions"]
    }


def list_ledger_keys(stack: Stack) -> set[str]:
    pages = (
        stack.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=stack.outputs["LedgerTableName"])
    )
    return {item["id"]["S"] for page in pages for item in page["Items"]}


def get_runs_in_progress(stack: Stack) -> frozenset[str]:
    table = LedgerTable(stack.client("dynamodb"), stack.outputs["LedgerTableName"])
    return frozenset(table.get(RUN_SLOTS).get("runs", ()))


def test_verification_checks_every_number_and_leaves_nothing(
    published_stack: Stack, account: Account, deployed: DeployedStack
) -> None:
    stack = published_stack
    table = LedgerTable(stack.client("dynamodb"), stack.outputs["LedgerTableName"])
    pointer, records = table.get(POINTER), list_publication_records(stack)
    totals = query(stack, "SELECT * FROM transaction_metrics")
    before = list_versions(stack), list_partitions(stack), list_ledger_keys(stack)
    known_emails = len(read_emails(stack.cloud.mailbox_folder))

    exit_code, output = run_verification(account, deployed)

    assert exit_code == EXIT_OK, output
    statuses = [line.split()[:2] for line in output.splitlines() if line.startswith("OK")]
    assert [subject for _, subject in statuses] == [
        *("upload", "run", "job", "tables", "publication", "cluster", "email", "cleanup")
    ]
    assert "all values in 19 rows of 5 KPI tables match" in output
    assert table.get(POINTER) == pointer
    assert list_publication_records(stack) == records
    assert query(stack, "SELECT * FROM transaction_metrics") == totals
    left = {key for key, _ in list_versions(stack) - before[0]}
    # The result of the query above.
    assert {key.partition(".")[0].rpartition("/")[0] for key in left} == {"athena_results"}
    assert len({key.partition(".")[0] for key in left}) == 1
    assert list_partitions(stack) == before[1]
    assert wait_until(lambda: list_ledger_keys(stack) - {RUN_SLOTS} <= before[2], 20)
    assert wait_until(lambda: not get_runs_in_progress(stack), 20)
    [email] = read_emails(stack.cloud.mailbox_folder)[known_emails:]
    assert email.subject.startswith("[Test] Rental KPIs: 1,751.08, ")
    assert "This run only verifies the deployment" in email.body


def test_wrong_number_is_found(
    account: Account, deployed: DeployedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = json.loads((BATCH_FOLDER / "expected.json").read_text())
    expected["tables"]["user_metrics"][0]["average_transaction"] = "51.12"
    expected["transformation"]["warnings"]["unknown_user"] = 2
    results = type(load_expected_results())(**expected)
    monkeypatch.setattr(verifier, "load_expected_results", lambda: results)
    exit_code, output = run_verification(account, deployed)
    assert exit_code == EXIT_INTERNAL_ERROR
    failed = [line for line in output.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 2
    assert "warnings.unknown_user is 1, expected 2" in failed[0]
    assert "user_metrics: test-u1: average_transaction is 51.11, expected 51.12" in failed[1]


def test_failed_run_is_explained_and_its_logs_are_kept(
    published_stack: Stack,
    account: Account,
    deployed: DeployedStack,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    folder: Path = shutil.copytree(BATCH_FOLDER, tmp_path / "batch")
    rentals = (folder / "rental_transactions.csv").read_text().splitlines()
    lines = [rentals[0], *(line.replace("test-r", "") + "x" for line in rentals[1:])]
    (folder / "rental_transactions.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(verification_run, "BATCH_FOLDER", folder)
    known = len(read_emails(published_stack.cloud.mailbox_folder))
    records = list_publication_records(published_stack)

    exit_code, output = run_verification(account, deployed)

    assert exit_code == EXIT_INTERNAL_ERROR
    assert "ended with status FAILED in state CheckRun" in output
    assert "the logs of the cluster and the ledger items are kept" in output
    assert list_publication_records(published_stack) == records
    emails = read_emails(published_stack.cloud.mailbox_folder)[known:]
    assert [email.subject.partition(":")[0] for email in emails] == ["[Test] Rental KPIs failed"]


def test_kept_run_can_be_removed_later(
    published_stack: Stack, account: Account, deployed: DeployedStack
) -> None:
    before = list_partitions(published_stack)
    _, output = run_verification(account, deployed, keep=True)
    assert "cleanup" not in output
    [run_id] = {run for _, run in list_partitions(published_stack) - before}
    console = create_console(width=200)
    assert remove_run(account, deployed, run_id, console) == EXIT_OK
    assert list_partitions(published_stack) == before


def test_runs_of_batches_are_not_removed(
    published_stack: Stack, account: Account, deployed: DeployedStack
) -> None:
    stepfunctions: Any = published_stack.client("stepfunctions")
    executions = stepfunctions.list_executions(
        stateMachineArn=published_stack.outputs["StateMachineArn"], statusFilter="SUCCEEDED"
    )["executions"]
    [run_id] = [entry["name"] for entry in executions if entry["name"].startswith("published-")][:1]
    with pytest.raises(UserError, match=f"{run_id} is not a verification: its files are kept"):
        remove_run(account, deployed, run_id, create_console())


def test_verification_waits_for_a_free_slot(
    published_stack: Stack, account: Account, deployed: DeployedStack
) -> None:
    table = LedgerTable(
        published_stack.client("dynamodb"), published_stack.outputs["LedgerTableName"]
    )
    runs = {f"run-{number}" for number in range(4)}
    table.update(
        RUN_SLOTS,
        "ADD runs :runs",
        "attribute_exists(id) OR attribute_not_exists(id)",
        values={":runs": runs},
    )
    try:
        with pytest.raises(UserError, match=r"4 runs are in progress, and the stack allows 4"):
            run_verification(account, deployed)
    finally:
        table.update(RUN_SLOTS, "DELETE runs :runs", "attribute_exists(id)", values={":runs": runs})
