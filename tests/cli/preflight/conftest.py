"""Fixtures for the checks before a deployment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cli.preflight.plan import Plan, make_plan
from tests.support.accounts import StubbedAccount


@pytest.fixture
def stub() -> Iterator[StubbedAccount]:
    """An account whose prepared responses must all be used."""
    stubbed = StubbedAccount()
    yield stubbed
    stubbed.assert_all_calls_were_made()


@pytest.fixture
def plan() -> Plan:
    """The deployment with the defaults of the template."""
    return make_plan("rental-kpi", None, "subnet-1", [])
