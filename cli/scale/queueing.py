"""How many runs are in progress, and how long a run waits for a slot.

Little's law: runs in progress = arrivals per second x seconds that a run has its slot. The waiting
time assumes that batches become complete independently of each other, and that the durations of
runs vary as in Erlang's formula C. The real durations vary less, so the real waits are shorter.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SlotLoad:
    """The load of the slots.

    Attributes:
        slots: Number of slots, `MaxConcurrentRuns`.
        busy_slots: Average number of slots that would be taken if there were enough.
        waiting_runs: Average number of waiting runs. Infinite if the slots do not suffice.
        wait_seconds: Average wait of a run for its slot. Infinite if the slots do not suffice.
    """

    slots: int
    busy_slots: float
    waiting_runs: float
    wait_seconds: float

    @property
    def utilization(self) -> float:
        """The share of the slots that is taken. Above 1, the queue grows without limit."""
        return self.busy_slots / self.slots


def compute_slot_load(runs_per_second: float, run_seconds: float, slots: int) -> SlotLoad:
    """Return the load of the slots.

    Args:
        runs_per_second: Number of batches that become complete in a second.
        run_seconds: Time for which a run has its slot.
        slots: Number of slots.
    """
    busy = runs_per_second * run_seconds
    if busy >= slots:
        return SlotLoad(slots, busy, float("inf"), float("inf"))
    waiting = _compute_wait_probability(busy, slots) * busy / (slots - busy)
    return SlotLoad(slots, busy, waiting, waiting / runs_per_second)


def _compute_wait_probability(busy: float, slots: int) -> float:
    """Return the probability that a run has to wait: Erlang's formula C."""
    # Formula B, computed without factorials, is the probability that all slots are taken if no run
    # ever waits.
    blocked = 1.0
    for number in range(1, slots + 1):
        blocked = busy * blocked / (number + busy * blocked)
    return blocked / (1 - busy / slots * (1 - blocked))


def find_min_slots(runs_per_second: float, run_seconds: float, max_wait_seconds: float) -> int:
    """Return the smallest number of slots with which runs wait no longer on average."""
    slots = int(runs_per_second * run_seconds) + 1
    while compute_slot_load(runs_per_second, run_seconds, slots).wait_seconds > max_wait_seconds:
        slots += 1
    return slots
