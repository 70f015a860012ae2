"""What `sam build` makes of the functions: small, complete, and the same for either processor.

It asks the package index, like the making of the environment does, and nothing else.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.infra.template import FUNCTION, PROJECT, handler_module, resources

pytestmark = pytest.mark.xdist_group("template_package")

LARGEST_ZIP = 10_000_000
# What the Lambda runtime for Python brings, besides Python.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
FUNCTIONS = sorted(resources(FUNCTION))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that becomes the functions' zip; they share their code, so one stands for all."""
    folder = tmp_path_factory.mktemp("build")
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    command = [str(Path(sys.executable).parent / "sam"), "build", "--build-dir", str(folder)]
    command += ["--parameter-overrides", f"LambdaRuntime={python}", "--no-cached"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        [*command, FUNCTIONS[0]],
        cwd=PROJECT,
        env=os.environ | {"PATH": path, "SAM_CLI_TELEMETRY": "0", "SAM_CLI_CHECK_UPDATES": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder / FUNCTIONS[0]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the Lambda runtime brings, and nothing else of this environment."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME:
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        origin = Path(found.origin)
        there = origin.parent if origin.name == "__init__.py" else origin
        (folder / there.name).symlink_to(there)
    return folder


def test_the_package_is_small(package: Path, tmp_path: Path) -> None:
    target = tmp_path / "package.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in package.rglob("*"):
            archive.write(path, path.relative_to(package))
    assert target.stat().st_size < LARGEST_ZIP


def test_the_package_has_no_botocore_of_its_own(package: Path) -> None:
    assert not (package / "botocore").exists()
    assert not (package / "boto3").exists()


def test_the_package_has_the_queries_and_the_jobs(package: Path) -> None:
    for folder, pattern in (
        ("pipeline", "*.sql"),
        ("spark", "*.py"),
        ("contract", "*.py"),
    ):
        built, source = package / folder, PROJECT / "src" / folder
        names = {path.relative_to(built) for path in built.rglob(pattern)}
        assert names == {path.relative_to(source) for path in source.rglob(pattern)}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_package_and_the_runtime_are_all_that_a_handler_imports(
    package: Path, runtime: Path, function: str
) -> None:
    """Built for ARM, it runs here too: what it has of machine code has a fallback in Python."""
    code = f"import {handler_module(function)} as module; assert callable(module.handler)"
    ended = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=package,
        env={
            "PYTHONPATH": f"{package}{os.pathsep}{runtime}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_LAMBDA_FUNCTION_NAME": function,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
