"""No statement of any role can go without a test that fails and says what is missing."""

from __future__ import annotations

import pytest

from tests.infra.template import resources, statements
from tests.infra.template_needs import complaints

# What has the types of all handlers is made once, by one worker.
pytestmark = pytest.mark.xdist_group("template_permissions")

STATEMENTS = [
    (role, found["Sid"])
    for role in sorted(resources("AWS::IAM::Role"))
    for found in statements(role)
]


@pytest.mark.parametrize(("role", "sid"), STATEMENTS)
def test_the_loss_of_a_statement_is_noticed(role: str, sid: str) -> None:
    rest = [found for found in statements(role) if found["Sid"] != sid]
    noticed = set(complaints(role, rest)) - set(complaints(role, statements(role)))
    assert noticed, f"nothing would miss {sid} in {role}: other statements allow all of it"
    assert all(complaint.startswith(f"{role} lacks ") for complaint in noticed)
