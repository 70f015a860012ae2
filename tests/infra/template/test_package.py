"""The package that `sam build` creates for the functions: small, complete, and portable.

The build downloads packages from the package index, like the setup of the environment.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.infra.support.template import FUNCTION, PROJECT, handler_module, resources

pytestmark = pytest.mark.xdist_group("template_package")

MAX_ZIP_BYTES = 10_000_000
# The packages that the Lambda runtime for Python provides.
RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
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


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the packages of the Lambda runtime, and no others."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder


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


@pytest.mark.parametrize("function", FUNCTIONS)
def test_handler_imports_only_the_package_and_the_runtime(
    package: Path, runtime: Path, function: str
) -> None:
    """The package is built for ARM and runs on any CPU: binary modules have a Python fallback."""
    code = f"import {handler_module(function)} as module; assert callable(module.handler)"
    result = subprocess.run(
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
    assert result.returncode == 0, result.stderr
