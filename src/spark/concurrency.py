"""Run Spark actions at the same time."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# More actions at once would only share the memory between them.
_MAX_THREADS = 4


def run_concurrently(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Call a function for each item, each in a thread of its own, and return the results in order.

    While Spark plans one action or waits for its last tasks, another one uses the processors.

    Raises:
        Exception: The first error, in the order of the items, after all calls have ended.
    """
    with ThreadPoolExecutor(_MAX_THREADS) as executor:
        return list(executor.map(function, items))
