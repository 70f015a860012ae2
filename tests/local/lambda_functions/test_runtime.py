"""Tests of the environment that Lambda functions run in on the local cloud."""

from __future__ import annotations

import platform
import sys

import pytest

from local import function_environment
from local.cloud import Cloud
from local.errors import UserError
from local.function_environment import get_function_python
from tests.local.support.functions import create_and_invoke_function

HANDLER = """
import platform
import sys
from importlib.util import find_spec

import boto3
import s3transfer

def handler(event, context):
    return {
        "boto3": boto3.__version__,
        "s3transfer": s3transfer.__version__,
        "python": platform.python_version(),
        "found": [name for name in ("ministack", "duckdb", "pytest", "local") if find_spec(name)],
        "path": sys.path,
    }
"""


@pytest.mark.parametrize("runtime", ["python3.12", "python3.14"])
def test_function_sees_the_packages_of_the_oldest_runtime_and_no_others(
    cloud: Cloud, runtime: str
) -> None:
    name = f"see-{runtime.replace('.', '-')}"
    response = create_and_invoke_function(cloud, name, HANDLER, runtime)
    assert response["boto3"] == "1.40.4"
    assert response["s3transfer"] == "0.13.1"
    assert response["found"] == []
    assert not any(folder in response["path"] for folder in sys.path if "site-packages" in folder)
    # The runtime does not change the version of Python.
    assert response["python"] == platform.python_version()


def test_missing_environment_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    python = get_function_python()
    monkeypatch.setattr(function_environment, "_FUNCTION_PYTHON", python.with_name("missing"))
    with pytest.raises(UserError, match=r"missing does not exist: install .* \./run local status$"):
        get_function_python()
