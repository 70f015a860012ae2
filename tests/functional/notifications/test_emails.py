"""Tests of emails as SNS accepts them and as readers can see them safely.

A subject is one line of printable ASCII with fewer than 100 characters.
"""

from __future__ import annotations

import pytest

from pipeline.notifications.emails import Email


@pytest.mark.parametrize(
    ("subject", "sns_subject"),
    [
        ("Rental KPIs 2026-11: 1.00", "Rental KPIs 2026-11: 1.00"),
        ("März\n 2026\t+é", "Marz 2026 +e"),
        ("東京", "??"),
        ("bell \a, escape \x1b, delete \x7f", "bell ?, escape ?, delete ?"),
        ("x" * 99, "x" * 99),
        ("x" * 100, "x" * 96 + "..."),
    ],
)
def test_subject_is_adapted_to_sns(subject: str, sns_subject: str) -> None:
    assert Email(subject, "").sns_subject == sns_subject


def test_message_has_no_control_characters_except_line_breaks() -> None:
    message = Email("", "Zoë\r\n\n\x1b[31m\u202e \\\n  x\n").sns_message
    assert message == "Zoë\\r\n\n\\u001b[31m\\u202e \\\n  x\n"
