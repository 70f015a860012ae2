"""The command `scale`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table as RichTable

from cli.console import console
from cli.scale import assumptions, tables
from cli.scale.daily_load import DailyLoad
from cli.scale.run_estimate import Parameters
from local.errors import UserError

_DEFAULTS = Parameters()
_MAX_NUMBER_WIDTH = 14


def register(app: typer.Typer) -> None:
    """Add the command of this module to the command line."""
    app.command(rich_help_panel="Deployment to AWS")(scale)


def scale(
    rentals: Annotated[int, typer.Option(min=1, help="Number of rentals in a batch.")] = 1_000_000,
    batches: Annotated[int, typer.Option(min=1, help="Number of batches in a day.")] = 1,
    hours: Annotated[
        float, typer.Option(min=1, max=24, help="Hours of the day in which the batches arrive.")
    ] = 24,
    max_workers: Annotated[
        int, typer.Option(min=1, max=100, help="The parameter MaxWorkers.")
    ] = _DEFAULTS.max_workers,
    spot_percent: Annotated[
        int, typer.Option(min=0, max=90, help="The parameter SpotPercent.")
    ] = _DEFAULTS.spot_percent,
    max_concurrent_runs: Annotated[
        int, typer.Option(min=1, max=400, help="The parameter MaxConcurrentRuns.")
    ] = _DEFAULTS.max_concurrent_runs,
    instance_type: Annotated[
        str, typer.Option(metavar="TYPE", help="Instance type of all nodes.")
    ] = _DEFAULTS.instance_type,
) -> None:
    """Estimate the clusters, minutes, dollars, and limits for a number of rentals and batches.

    docs/scale.md says what is measured, and what is estimated.
    """
    if instance_type not in assumptions.VCPUS:
        known = ", ".join(assumptions.VCPUS)
        raise UserError(
            f"the instance type {instance_type!r} is not known here: use one of {known}"
        )
    parameters = Parameters(max_workers, spot_percent, max_concurrent_runs, instance_type)
    load = DailyLoad(batches, rentals, parameters, hours)
    batch = tables.make_batches_table([(rentals, parameters)])
    [values] = batch.rows
    _print("A batch", tables.Table(("", "value"), tuple(zip(batch.header, values, strict=True))))
    _print("Limits of a batch", tables.make_batch_limits_table(rentals, parameters))
    _print(
        "Slots that the batches of a day need", tables.make_slots_table(batches, rentals, [hours])
    )
    _print("Limits of a day", tables.make_daily_limits_table([load]))
    _print("Limits that fill up", tables.make_accumulations_table(batches))
    _print("Cost of a day", tables.make_daily_cost_table(load))


def _print(title: str, table: tables.Table) -> None:
    result = RichTable(title=title)
    # The sources are in docs/scale.md.
    columns = [index for index, name in enumerate(table.header) if name != "source"]
    for index in columns:
        longest = max((len(_plain(row[index])) for row in table.rows), default=0)
        # On a narrow terminal, a header is folded rather than a number.
        width = min(longest, _MAX_NUMBER_WIDTH)
        result.add_column(_plain(table.header[index]), overflow="fold", min_width=width)
    for row in table.rows:
        result.add_row(*(_plain(row[index]) for index in columns))
    console.print(result)


def _plain(text: str) -> str:
    return text.replace("`", "").replace("**", "")
