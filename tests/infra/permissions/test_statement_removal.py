"""Removing any policy statement of a role fails a test that names the missing permission."""

from __future__ import annotations

import pytest

from tests.infra.support.required_permissions import permission_problems
from tests.infra.support.template import resources, statements

# One worker runs these tests, because type-checking all handlers is slow and its result is cached.
pytestmark = pytest.mark.xdist_group("template_permissions")

STATEMENTS = [
    (role, statement["Sid"])
    for role in sorted(resources("AWS::IAM::Role"))
    for statement in statements(role)
]


@pytest.mark.parametrize(("role", "sid"), STATEMENTS)
def test_removed_statement_is_reported_as_missing(role: str, sid: str) -> None:
    remaining = [statement for statement in statements(role) if statement["Sid"] != sid]
    before = set(permission_problems(role, statements(role)))
    new_problems = set(permission_problems(role, remaining)) - before
    assert new_problems, f"{sid} in {role} is redundant: other statements grant the same"
    assert all(problem.startswith(f"{role} lacks ") for problem in new_problems)
