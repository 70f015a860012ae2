"""Tests of the causes of failed Spark jobs that an operator can remove."""

from __future__ import annotations

import pytest

from contract.failure_causes import find_failure_cause


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Exception in thread x java.lang.OutOfMemoryError: Java heap space", "--memory"),
        ("java.io.IOException: No space left on device", "a disk is full"),
        ("Job aborted: ExecutorLostFailure (executor 3 exited)", "a worker process of Spark"),
    ],
)
def test_known_cause_says_what_to_do(text: str, cause: str) -> None:
    assert cause in str(find_failure_cause(text))


def test_other_errors_have_no_known_cause() -> None:
    assert find_failure_cause("Job 16 cancelled because SparkContext was shut down") is None
