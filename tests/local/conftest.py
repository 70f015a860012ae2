"""One local cloud for all tests in this folder, with one deployment of the template."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import deployment
from local.cloud import Cloud, start, stop
from local.mailbox import confirm_subscriptions
from sample_data import write_sample
from tests.local.support.emr_sandbox import EmrSandbox, create_emr_sandbox
from tests.local.support.programs import create_programs
from tests.local.support.stack import Stack

_SHARED_FIXTURES = {"cloud", "published_stack", "stack"}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests of the shared cloud on one worker, so that only one cloud is started."""
    for item in items:
        # The hook sees the tests of all folders, and others have a fixture of the same name.
        is_local = Path(__file__).parent in item.path.parents
        if is_local and _SHARED_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group("local"))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `spark-submit` that runs a job of the pipeline in about a second."""
    return create_programs(tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[Cloud]:
    """A local cloud that contains only what the tests create."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_PROGRAMS", str(programs))
        cloud = start(tmp_path_factory.mktemp("cloud"))
    try:
        yield cloud
    finally:
        stop(cloud.folder)


@pytest.fixture(scope="session")
def sandbox(cloud: Cloud) -> EmrSandbox:
    """Roles and a bucket for EMR clusters that do not belong to the pipeline."""
    return create_emr_sandbox(cloud)


@pytest.fixture(scope="session")
def stack(cloud: Cloud) -> Stack:
    """The deployed template, with a confirmed email subscription."""
    outputs = deployment.deploy(cloud)
    confirm_subscriptions(cloud)
    return Stack(cloud, deployment.STACK, outputs)


@pytest.fixture(scope="session")
def published_stack(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The stack with at least one published run, no matter which tests ran before."""
    folder = tmp_path_factory.mktemp("published")
    write_sample(folder, rentals=40, seed=9)
    stack.upload_batch(folder, "published")
    assert stack.wait_for_run("published")["status"] == "SUCCEEDED"
    return stack
