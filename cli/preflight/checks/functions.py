"""What the functions need: the Python of their runtime to build them, and their concurrency."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator

from cli.check_results import CheckResult, fail, ok, warn
from cli.preflight.plan import Plan
from cli.target.account import Account

PYTHON_SUBJECT = "Python for sam build"
CONCURRENCY_SUBJECT = "reserved concurrency"
_RESERVED_PARAMETER = "ReceiveUploadConcurrency"
# PutFunctionConcurrency in the Lambda API Reference.
_MIN_UNRESERVED = 100


def check_python(plan: Plan) -> Iterator[CheckResult]:
    """Check that this machine has the Python version of the runtime."""
    runtime = plan.parameters["LambdaRuntime"]
    path = shutil.which(runtime)
    if path and _runs(path):
        yield ok(PYTHON_SUBJECT, f"{runtime} is {path}")
        return
    yield warn(
        PYTHON_SUBJECT,
        f"sam build needs {runtime}, which this machine lacks: install it, or use ./run deploy"
        f" (it builds with Python {platform.python_version()})",
    )


def _runs(path: str) -> bool:
    """Return whether a Python can be run. The shims of version managers exist without a Python."""
    command = [path, "-c", ""]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def check_concurrency(account: Account, plan: Plan) -> Iterator[CheckResult]:
    """Check that Lambda accepts the reserved concurrency, if one is requested."""
    reserved = plan.get_number(_RESERVED_PARAMETER)
    if not reserved:
        return
    limits = account.client("lambda").get_account_settings()["AccountLimit"]
    already_reserved = (
        int(plan.deployed.parameters.get(_RESERVED_PARAMETER, 0)) if plan.deployed else 0
    )
    available = limits["UnreservedConcurrentExecutions"] + already_reserved - _MIN_UNRESERVED
    if reserved <= available:
        yield ok(CONCURRENCY_SUBJECT, f"{reserved} of {available} that can be reserved")
        return
    yield fail(
        CONCURRENCY_SUBJECT,
        f"{_RESERVED_PARAMETER} is {reserved}, but at most {max(available, 0)} can be reserved,"
        f" because the account's limit is {limits['ConcurrentExecutions']} and {_MIN_UNRESERVED}"
        " must stay unreserved: reduce it, or request an increase of L-B99A9384",
    )
