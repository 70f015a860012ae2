"""The ledger items that every run uses: how large they are, and how often they change."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cli.scale.daily_load import FILES, SWEEP_SECONDS, DailyLoad

_RUN_ID_BYTES = 48
_BATCH_ITEM_KB = 2.5


@dataclass(frozen=True)
class ItemLoad:
    """The load of one ledger item, or of one key of the index.

    Attributes:
        name: The key.
        kilobytes: Size of the item, or of the items that one query reads.
        writes: Number of updates for each run.
        reads: Number of reads for each run.
        write_units: Write units in a second.
        read_units: Read units in a second.
    """

    name: str
    kilobytes: float
    writes: float
    reads: float
    write_units: float
    read_units: float


def list_item_loads(load: DailyLoad) -> list[ItemLoad]:
    """Return the load of the ledger items that every run uses.

    The slots: the starter takes one, the execution takes it again, and the watchdog releases it;
    the starter reads them at the claim and at the end. The index: an item changes with each upload,
    the claim, the start, and the sweep that closes it; two queries at the end of each run read all
    open batches, which are those since the last sweep, and those that wait.
    """
    rate = load.rate
    slots_kb = load.parameters.max_concurrent_runs * _RUN_ID_BYTES / 1024
    waiting = load.slots.waiting_runs
    open_batches = rate * SWEEP_SECONDS + (load.batches if math.isinf(waiting) else waiting)
    open_kb = open_batches * _BATCH_ITEM_KB
    index_writes = FILES + 3
    return [
        ItemLoad(
            "`run_slots`",
            slots_kb,
            3,
            3,
            write_units=rate * 3 * math.ceil(slots_kb),
            read_units=rate * 3 * math.ceil(slots_kb / 4),
        ),
        ItemLoad("`pointer`", 1, 1, 1, write_units=rate, read_units=rate),
        ItemLoad(
            "`open-items`, `batch`",
            open_kb,
            index_writes,
            2,
            write_units=rate * index_writes * math.ceil(_BATCH_ITEM_KB),
            # An eventually consistent read of 8 KB is one unit.
            read_units=rate * 2 * open_kb / 8,
        ),
    ]
