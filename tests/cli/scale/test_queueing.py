"""Runs in progress and waiting runs, compared with textbook results."""

from __future__ import annotations

import math

import pytest

from cli.scale.queueing import compute_slot_load, find_min_slots


def test_runs_in_progress_are_arrivals_times_duration() -> None:
    """Little's law."""
    slots = compute_slot_load(10_000 / 86_400, 864, 120)
    assert slots.busy_slots == pytest.approx(100)
    assert slots.utilization == pytest.approx(100 / 120)


@pytest.mark.parametrize(
    ("busy", "slots", "waiting"),
    [
        (0.5, 1, 0.5),  # One server: utilization squared over one minus utilization.
        (0.9, 1, 8.1),
        (1.0, 2, 1 / 3),  # Two servers: 2 r^3 / (1 - r^2) with r = 0.5.
        (1.6, 2, 2 * 0.8**3 / (1 - 0.8**2)),
    ],
)
def test_waiting_runs_follow_erlangs_formula(busy: float, slots: int, waiting: float) -> None:
    load = compute_slot_load(busy / 600, 600, slots)
    assert load.waiting_runs == pytest.approx(waiting)
    assert load.wait_seconds == pytest.approx(waiting * 600 / busy)


@pytest.mark.parametrize("slots", [1, 99, 100])
def test_queue_without_end_is_infinite(slots: int) -> None:
    load = compute_slot_load(1, 100, slots)
    assert math.isinf(load.waiting_runs)
    assert math.isinf(load.wait_seconds)


def test_large_numbers_of_slots_do_not_overflow() -> None:
    assert compute_slot_load(1, 390, 400).wait_seconds < 390


def test_smallest_number_of_slots_is_found() -> None:
    needed = find_min_slots(0.1, 700, 60)
    assert compute_slot_load(0.1, 700, needed).wait_seconds <= 60
    assert compute_slot_load(0.1, 700, needed - 1).wait_seconds > 60
