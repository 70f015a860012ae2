"""A subject as SNS takes it: printable ASCII, on one line, under a hundred characters."""

from __future__ import annotations

import pytest

from pipeline.notifications.emails import Email


@pytest.mark.parametrize(
    ("subject", "taken"),
    [
        ("Rental KPIs 2026-11: 1.00", "Rental KPIs 2026-11: 1.00"),
        ("März\n 2026\t+é", "Marz 2026 +e"),
        ("東京", "??"),
        ("bell \a, escape \x1b, delete \x7f", "bell ?, escape ?, delete ?"),
        ("x" * 99, "x" * 99),
        ("x" * 100, "x" * 96 + "..."),
    ],
)
def test_a_subject_is_made_to_fit(subject: str, taken: str) -> None:
    assert Email(subject, "").sns_subject == taken
