"""Writing the four sample files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from contract.datasets import DATASETS, Dataset
from sample_data.business import Business
from sample_data.corruption import Corruptions, corrupted_positions
from sample_data.variations import Layout, odd_layout, plain_layout, quoted, variations, written

VARIED = 0.05  # share of the valid rows of a dirty file that are written in another way
BLANK = 0.01  # share of its rows with a blank line behind
BLANK_LINES = ("", " ", "\t", " \t ")
REMEMBERED = 100  # valid rows at hand to be repeated
REPLACED = 0.01  # chance that one of them gives way to a later row


def write_sample(folder: Path, rentals: int, dirt: float = 0.0, seed: int = 0) -> None:
    """Write the four input files with so many rentals, and users, vehicles and locations to match.

    `dirt` is the share of each file's rows that are spoiled; with any, other rows are varied
    harmlessly, and so is the form of the files. The same arguments always give the same bytes.
    """
    if rentals < 1:
        raise ValueError(f"rentals must be at least 1, not {rentals}")
    if not 0 <= dirt <= 1:
        raise ValueError(f"dirt must be from 0 to 1, not {dirt}")
    folder.mkdir(parents=True, exist_ok=True)
    business = Business(rentals, seed)
    for dataset in DATASETS:
        write_file(folder, dataset, business, dirt)


def write_file(folder: Path, dataset: Dataset, business: Business, dirt: float) -> Counter[str]:
    """Write one file, and tell how many of its spoiled rows aim at each code."""
    rng = business.random(f"{dataset.name} dirt")
    layout = odd_layout(dataset, rng) if dirt else plain_layout(dataset)
    spoilers = Corruptions(dataset, rng)
    if dirt:
        records = _dirty_records(dataset, business, dirt, layout, spoilers, rng)
    else:
        records = map(_record, business.rows(dataset))
    with (folder / dataset.file).open("w", encoding="utf-8", newline="") as file:
        file.write(f"{layout.start}{','.join(layout.header)}{layout.line_end}")
        file.writelines(record + layout.line_end for record in records)
    return spoilers.planted


def _record(values: Sequence[str]) -> str:
    record = ",".join(values)
    # Most records need no quotes, and telling so once is faster than asking each of the values.
    if record.count(",") == len(values) - 1 and '"' not in record and "\n" not in record:
        return record
    return ",".join(map(written, values))


def _dirty_records(
    dataset: Dataset,
    business: Business,
    dirt: float,
    layout: Layout,
    spoilers: Corruptions,
    rng: Random,
) -> Iterator[str]:
    """The file's records, some spoiled and some varied, and blank lines between them."""
    vary = variations(dataset)
    valid: list[Sequence[str]] = []
    places = corrupted_positions(business.counts[dataset], dirt, rng)
    for row, is_spoiled in zip(business.rows(dataset), places, strict=True):
        if is_spoiled:
            yield _spoiled_record(row, valid, layout, spoilers, rng)
        else:
            if len(valid) < REMEMBERED:
                valid.append(row)
            elif rng.random() < REPLACED:
                valid[rng.randrange(REMEMBERED)] = row
            if rng.random() < VARIED:
                values = list(row)
                rng.choice(vary)(values, rng)
                yield ",".join(
                    quoted(value) if rng.random() < 0.5 else written(value)
                    for value in layout.arranged(values)
                )
            else:
                yield _record(layout.arranged(row))
        if rng.random() < BLANK:
            yield rng.choice(BLANK_LINES)


def _spoiled_record(
    row: Sequence[str],
    valid: Sequence[Sequence[str]],
    layout: Layout,
    spoilers: Corruptions,
    rng: Random,
) -> str:
    spoiler = spoilers.draw(may_repeat=bool(valid))
    earlier = rng.choice(valid) if valid else row
    if spoiler.is_malformed:
        fields = [written(value) for value in layout.arranged(row)]
        spoiler.change(fields, earlier, rng)
        return ",".join(fields)
    values = list(row)
    spoiler.change(values, earlier, rng)
    return _record(layout.arranged(values))
