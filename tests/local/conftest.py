"""One local cloud for all tests here, with the template deployed once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local import deployment
from local.cloud import Cloud, running
from local.mail import confirm_subscriptions
from tests.local.stack import Stack

_SHARED = {"cloud", "stack"}


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the shared cloud run on one worker, so that there is one."""
    for item in items:
        if _SHARED & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group("local"))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud with nothing in it but what other tests made."""
    with running(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def stack(cloud: Cloud) -> Stack:
    """The template, deployed to it."""
    outputs = deployment.deploy(cloud)
    confirm_subscriptions(cloud)
    return Stack(cloud, deployment.STACK, outputs)
