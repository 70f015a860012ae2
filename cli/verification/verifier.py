"""Verify a deployed stack: run a batch with known totals, and check everything that it produced."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from cli.check_results import CheckResult, fail, has_failed, ok, print_result, warn
from cli.target.account import Account
from cli.target.stack import Stack
from cli.verification.cleanup import remove_traces
from cli.verification.comparison import check_job_reports, check_publication, check_tables
from cli.verification.known_batch import load_expected_results
from cli.verification.leftovers import check_clusters, check_email, find_clusters
from cli.verification.verification_run import (
    VerificationRun,
    check_free_slot,
    find_run,
    start_run,
    watch,
)
from contract.exit_codes import EXIT_INTERNAL_ERROR, EXIT_OK
from pipeline.aws.executions import Execution
from pipeline.recovery.failures import get_failure

VERIFIED = "VERIFIED"


def verify(account: Account, stack: Stack, console: Console, *, keep: bool) -> int:
    """Run the batch on a stack, print what was checked, and remove the traces of the run.

    Args:
        account: The account of the stack.
        stack: The stack.
        console: Where to print.
        keep: Whether to keep what the run wrote.

    Returns:
        0 if every check succeeded, otherwise 1.

    Raises:
        UserError: As many runs as allowed are in progress.
        WaitTimeoutError: The run did not end in time.
    """
    check_free_slot(account, stack)
    run = start_run(account, stack)
    print_result(ok("upload", f"s3://{run.bucket}/{run.batch}"), console)
    try:
        execution = watch(run, console)
    except BaseException:
        console.print(
            "The run continues. When it has ended, remove what it wrote: repeat the command with"
            f" --remove {run.run_id}",
            soft_wrap=True,
        )
        raise
    results = []
    for result in check_run(run, execution):
        print_result(result, console)
        results.append(result)
    if not keep:
        print_result(remove(run, is_complete=_is_verified(execution)), console)
    return EXIT_INTERNAL_ERROR if has_failed(results) else EXIT_OK


def check_run(run: VerificationRun, execution: Execution) -> Iterator[CheckResult]:
    """Yield the result of each check of a run that has ended."""
    if not _is_verified(execution):
        failure = get_failure(execution)
        state = f" in state {failure.state}" if failure.state else ""
        yield fail(
            "run",
            f"{run.run_id} ended with status {execution.status}{state}: {failure.message}",
        )
        yield check_publication(run)
        yield check_clusters(find_clusters(run))
        return
    expected = load_expected_results()
    yield ok("run", f"{run.run_id} has the status {VERIFIED}")
    yield check_job_reports(run, expected)
    yield check_tables(run, expected)
    yield check_publication(run)
    yield check_clusters(find_clusters(run))
    yield check_email(run, expected)


def remove_run(account: Account, stack: Stack, run_id: str, console: Console) -> int:
    """Remove the traces of an earlier verification, and return the exit code.

    Raises:
        UserError: There is no such run, it is still running, or it is not a verification.
    """
    run, execution = find_run(account, stack, run_id)
    print_result(remove(run, is_complete=_is_verified(execution)), console)
    return EXIT_OK


def remove(run: VerificationRun, *, is_complete: bool) -> CheckResult:
    """Remove the traces of a run, and return what was removed."""
    removal = remove_traces(run, sorted(find_clusters(run)), is_complete=is_complete)
    counts = [f"{removal.versions} object versions", f"{removal.partitions} partitions"]
    if is_complete:
        return ok("cleanup", f"removed {', '.join(counts)}, and {removal.items} ledger items")
    return warn(
        "cleanup",
        f"removed {' and '.join(counts)}; the logs of the cluster and the ledger items are kept"
        " until they expire",
    )


def _is_verified(execution: Execution) -> bool:
    return execution.status == "SUCCEEDED" and execution.output.get("status") == VERIFIED
