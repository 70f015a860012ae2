"""A kill of the publishing function, while another run is published, leaves a complete run.

The soak test of the same name kills it at every position of more scenarios.
"""

from __future__ import annotations

import pytest

from tests.support.publication_kills import publishing_system
from tests.support.publication_scenarios import (
    EARLIER_RUN_MEANWHILE,
    LATER_RUN_MEANWHILE,
    Scenario,
)

# The calls from the first write that readers notice.
WRITES = [
    "UpdateItem",  # the pointer
    "PutObject",  # the publication record
    "GetObject",  # the publication record
    "PutObject",  # the email
    "PutItem",  # the notification
    "Publish",
    "UpdateItem",
]


@pytest.mark.parametrize(
    "scenario", [EARLIER_RUN_MEANWHILE, LATER_RUN_MEANWHILE], ids=lambda scenario: scenario.name
)
def test_readers_see_a_complete_run_after_a_kill_before_or_after_any_write(
    scenario: Scenario,
) -> None:
    calls = scenario.list_calls()
    assert calls[-len(WRITES) :] == WRITES
    violations = []
    for position in range(len(calls) - len(WRITES), len(calls) + 1):
        with publishing_system(scenario.runs) as system:
            assert scenario.kill_and_retry(system, position)
        violations += [f"position {position}: {violation}" for violation in system.violations]
    assert violations == []
