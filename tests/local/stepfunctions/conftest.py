"""Fixtures for tests of Step Functions."""

from __future__ import annotations

import pytest

from local.cloud import Cloud
from tests.local.support.state_machines import StateMachineFactory


@pytest.fixture(scope="session")
def machines(cloud: Cloud) -> StateMachineFactory:
    return StateMachineFactory(cloud)
