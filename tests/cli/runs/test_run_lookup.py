"""The runs that the argument RUN names, and the order in which its meanings are tried."""

from __future__ import annotations

import pytest

from cli.runs.publications import Publications, read_publications
from cli.runs.run_lookup import find_run
from cli.runs.run_reader import RunReader
from contract.layout import PUBLISHED_RUNS_PREFIX
from local.errors import UserError
from tests.support.operator_stack import OperatorStack, make_run_id


def find(stack: OperatorStack, text: str) -> str:
    return find_run(RunReader(stack.target), text).run_id


def read(stack: OperatorStack) -> Publications:
    return read_publications(stack.target)


def test_keywords_name_runs(stack: OperatorStack) -> None:
    first = stack.add_run("a")
    failed = stack.add_run("a", 1, status="FAILED")
    second = stack.add_run("b")
    stack.add_run("b", 1, status="SUPERSEDED")
    newest = stack.add_run("c", status="RUNNING")
    assert find(stack, "latest") == newest
    assert find(stack, "published") == second
    assert find(stack, "previous") == first
    assert find(stack, "failed") == failed


@pytest.mark.parametrize("keyword", ["latest", "published", "previous", "failed"])
def test_keyword_without_a_run_is_an_error(stack: OperatorStack, keyword: str) -> None:
    with pytest.raises(UserError, match=f"there is no {keyword} run: see ./run runs --stack"):
        find(stack, keyword)


def test_full_id_comes_first(stack: OperatorStack) -> None:
    stack.add_run("a", run_id="latest")
    stack.add_run("a", run_id="published", publish=False)
    other = stack.add_run("latest")
    assert find(stack, "latest") == "latest"
    assert find(stack, "published") == "published"
    assert find(stack, other) == other


def test_keyword_comes_before_a_batch(stack: OperatorStack) -> None:
    stack.add_run("failed")
    failed = stack.add_run("x", status="FAILED")
    assert find(stack, "failed") == failed


def test_batch_names_its_newest_run(stack: OperatorStack) -> None:
    stack.add_run("2026-11", 1)
    newest = stack.add_run("2026-11", 2, status="FAILED")
    stack.add_run("2026-11-b", 3)
    assert find(stack, "2026-11") == newest
    assert find(stack, "raw/2026-11/") == newest


def test_unique_prefix_names_a_run(stack: OperatorStack) -> None:
    first = stack.add_run("2026-11", 0x1)
    second = stack.add_run("2026-11", 0x1 << 76)
    assert find(stack, first[:9]) == first
    assert find(stack, second[:10]) == second


def test_run_that_only_its_report_remembers_is_found(stack: OperatorStack) -> None:
    run_id = make_run_id("2024-01", 7)
    stack.put_reports(run_id)
    assert find(stack, run_id) == run_id
    assert find(stack, "2024-01-0") == run_id


def test_ambiguous_prefix_lists_candidates(stack: OperatorStack) -> None:
    ids = [stack.add_run("2026-11", number) for number in range(12)]
    with pytest.raises(UserError, match="is the beginning of several runs") as caught:
        find(stack, "2026-11-0")
    message = str(caught.value)
    assert all(run_id in message for run_id in ids[2:])
    assert message.endswith(", and 2 others")


@pytest.mark.parametrize("text", ["x", "", "2026-11/x", "\x1b[31m", "a" * 200, "a/b", "é"])
def test_unknown_run_lists_candidates(stack: OperatorStack, text: str) -> None:
    known = stack.add_run("2026-11")
    with pytest.raises(UserError, match="no run is named") as caught:
        find(stack, text)
    assert known in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_without_runs_the_error_says_so(stack: OperatorStack) -> None:
    with pytest.raises(UserError, match="no run is named 'x': there is no run yet"):
        find(stack, "x")


def test_run_before_the_published_one_is_never_one_rolled_back_from(stack: OperatorStack) -> None:
    first, second, bad = (stack.add_run(batch) for batch in "abc")
    assert (read(stack).published, read(stack).previous) == (bad, second)
    stack.publish(second)
    assert (read(stack).published, read(stack).previous) == (second, first)
    fourth = stack.add_run("d")
    assert (read(stack).published, read(stack).previous) == (fourth, second)
    stack.publish(bad)
    assert (read(stack).published, read(stack).previous) == (bad, fourth)


def test_first_run_has_no_run_before_it(stack: OperatorStack) -> None:
    first = stack.add_run("a")
    assert (read(stack).published, read(stack).previous) == (first, None)
    stack.add_run("b")
    stack.publish(first)
    assert (read(stack).published, read(stack).previous) == (first, None)


def test_record_written_by_hand_counts(stack: OperatorStack) -> None:
    first = stack.add_run("a")
    stack.add_run("b")
    name = f"2026-11-30T08-00-00.000000Z-rollback-to-2026-11-20T09-01-00.000000Z-{first}.json"
    stack.put_object(
        f"{PUBLISHED_RUNS_PREFIX}{name}",
        f'{{"run_id": "{first}", "published_at": "2026-11-30T08:00:00.000000Z"}}',
    )
    for number in range(12):  # so that it is not among the newest
        stack.put_object(
            f"{PUBLISHED_RUNS_PREFIX}2026-12-{number + 1:02}T08-00-00.000000Z-{first}.json",
            f'{{"run_id": "{first}", "published_at": "2026-12-{number + 1:02}T08:00:00.000000Z"}}',
        )
    assert read(stack).published == first
    assert len(read(stack).list_of_run(first)) == 14


def test_empty_object_is_no_record(stack: OperatorStack) -> None:
    first = stack.add_run("a")
    stack.put_object(
        f"{PUBLISHED_RUNS_PREFIX}2027-01-01T08-00-00.000000Z-{make_run_id('b')}.json", ""
    )
    assert read(stack).published == first


@pytest.mark.parametrize("content", ["x", "[]", "{}", '{"run_id": 1, "published_at": "x"}'])
def test_invalid_record_is_reported(stack: OperatorStack, content: str) -> None:
    stack.put_object(f"{PUBLISHED_RUNS_PREFIX}x.json", content)
    with pytest.raises(Exception, match=r"x\.json is not a valid publication record: correct it"):
        read(stack)
