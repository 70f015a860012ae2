"""One local cloud for all tests here, with the template deployed once."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import deployment
from local.cloud import PROJECT, Cloud, start, stop
from local.mail import confirm_subscriptions
from sample_data import write_sample
from tests.local.stack import Stack

_SHARED = {"cloud", "published", "stack"}
# What the pipeline's jobs come to without Spark; any other program gets the real one.
_QUICK_SPARK = """\
#!/bin/sh
case " $* " in
    *"/transformation_job.py "* | *"/kpis.py "*)
        PYTHONPATH={paths} exec {python} -P -m tests.support.quick_spark "$@"
        ;;
esac
exec {spark} "$@"
"""


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the shared cloud run on one worker, so that there is one."""
    for item in items:
        if _SHARED & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group("local"))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `spark-submit` that takes a second for a job of the pipeline."""
    folder = tmp_path_factory.mktemp("programs")
    script = folder / "spark-submit"
    words = {
        "paths": f"{PROJECT}:{PROJECT / 'src'}",
        "python": sys.executable,
        "spark": str(Path(sys.executable).parent / "spark-submit"),
    }
    quoted = {name: shlex.quote(word) for name, word in words.items()}
    script.write_text(_QUICK_SPARK.format(**quoted))
    script.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[Cloud]:
    """A cloud with nothing in it but what other tests made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_PROGRAMS", str(programs))
        cloud = start(tmp_path_factory.mktemp("cloud"))
    try:
        yield cloud
    finally:
        stop(cloud.folder)


@pytest.fixture(scope="session")
def stack(cloud: Cloud) -> Stack:
    """The template, deployed to it."""
    outputs = deployment.deploy(cloud)
    confirm_subscriptions(cloud)
    return Stack(cloud, deployment.STACK, outputs)


@pytest.fixture(scope="session")
def published(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The stack with a run that readers see, whichever tests came before."""
    folder = tmp_path_factory.mktemp("published")
    write_sample(folder, rentals=40, seed=9)
    stack.drop(folder, "published")
    assert stack.wait_for_run("published")["status"] == "SUCCEEDED"
    return stack
