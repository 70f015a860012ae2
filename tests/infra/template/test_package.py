"""The package that `sam build` creates for the functions: small, complete, and portable.

Handlers are imported with the oldest boto3 that a Lambda runtime provides, as in the local cloud.

The build downloads packages from the package index, like the setup of the environment.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from local.function_environment import get_function_python
from tests.infra.support.template import FUNCTION, PROJECT, handler_module, resources

pytestmark = pytest.mark.xdist_group("template_package")

MAX_ZIP_BYTES = 10_000_000
LOCK_FILE = PROJECT / "src" / "requirements.txt"
# Copies a file in parts, of which S3 refuses one because the source has changed. Newer versions of
# boto3 raise an error of their own, which the oldest one does not know.
REFUSED_COPY = """\
import boto3
from botocore.stub import Stubber
from pipeline.errors import InputMissingError
from pipeline.intake.pinning import CopySizes, InputPinner
from pipeline.ledger.batch import FileVersion

size = 5 * 1024 * 1024
s3 = boto3.client("s3", aws_access_key_id="key", aws_secret_access_key="secret")
stub = Stubber(s3)
stub.add_client_error("head_object", "404", http_status_code=404)
stub.add_response("head_object", {"ETag": "e", "ContentLength": size})
stub.add_response("head_object", {"ETag": "e", "ContentLength": size})
stub.add_response("create_multipart_upload", {"UploadId": "u"})
stub.add_client_error("upload_part_copy", "PreconditionFailed", http_status_code=412)
stub.add_response("abort_multipart_upload", {})
stub.activate()
try:
    sizes = CopySizes(threshold=size, part=size, parts_at_once=1)
    file = FileVersion("rentals", "raw/rentals.csv", "v", size)
    InputPinner(s3, "data", "run", sizes).pin([file])
except InputMissingError as error:
    print(error)
stub.assert_no_pending_responses()
"""
FUNCTIONS = sorted(resources(FUNCTION))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the built package folder of one function. All functions share the same code."""
    folder = tmp_path_factory.mktemp("build")
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    command = [str(Path(sys.executable).parent / "sam"), "build", "--build-dir", str(folder)]
    command += ["--parameter-overrides", f"LambdaRuntime={python}", "--no-cached"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        [*command, FUNCTIONS[0]],
        cwd=PROJECT,
        env=os.environ | {"PATH": path, "SAM_CLI_TELEMETRY": "0", "SAM_CLI_CHECK_UPDATES": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / FUNCTIONS[0]


def test_package_is_small(package: Path, tmp_path: Path) -> None:
    target = tmp_path / "package.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in package.rglob("*"):
            archive.write(path, path.relative_to(package))
    assert target.stat().st_size < MAX_ZIP_BYTES


def test_package_does_not_include_boto3(package: Path) -> None:
    assert not (package / "botocore").exists()
    assert not (package / "boto3").exists()


def test_package_includes_the_queries_and_the_jobs(package: Path) -> None:
    for folder, pattern in (
        ("pipeline", "*.sql"),
        ("spark", "*.py"),
        ("contract", "*.py"),
    ):
        built, source = package / folder, PROJECT / "src" / folder
        names = {path.relative_to(built) for path in built.rglob(pattern)}
        assert names == {path.relative_to(source) for path in source.rglob(pattern)}


def test_package_is_the_same_for_every_python() -> None:
    """`./run deploy` builds it with the Python of its environment, whatever the runtime is."""
    requirements = re.findall(r"^[\w.-]+==.*$", LOCK_FILE.read_text("utf-8"), re.MULTILINE)
    assert requirements
    assert [requirement for requirement in requirements if ";" in requirement] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_handler_imports_only_the_package_and_the_oldest_runtime(
    package: Path, function: str
) -> None:
    """The package is built for ARM and runs on any CPU: binary modules have a Python fallback."""
    code = f"import {handler_module(function)} as module; assert callable(module.handler)"
    result = _run_in_runtime(code, package, AWS_LAMBDA_FUNCTION_NAME=function)
    assert result.returncode == 0, result.stderr


def test_runtime_has_the_oldest_boto3_and_no_other_packages(package: Path) -> None:
    code = "import boto3, s3transfer; print(boto3.__version__, s3transfer.__version__)"
    assert _run_in_runtime(code, package).stdout.split() == ["1.40.4", "0.13.1"]
    assert "No module named 'pytest'" in _run_in_runtime("import pytest", package).stderr


def test_refused_copy_is_reported_with_the_oldest_boto3(package: Path) -> None:
    result = _run_in_runtime(REFUSED_COPY, package)
    assert result.stdout == "raw/rentals.csv version v was replaced during the copy\n", (
        result.stderr
    )


def _run_in_runtime(code: str, package: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python code as Lambda would: with the package and what the runtime provides."""
    return subprocess.run(
        [str(get_function_python()), "-c", code],
        cwd=package,
        env={
            "PYTHONPATH": str(package),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )
