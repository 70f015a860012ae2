"""The command `show`: everything about one run."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.operations.runs import ListedRun, describe_run
from cli.runs.comparison import Comparison
from cli.runs.live_view import build_states_table
from cli.runs.publications import Publications
from cli.runs.run_details import RunDetails
from cli.target.target import Target
from contract.layout import quarantine_pattern, run_report_key
from contract.text import escape_control_characters
from pipeline.aws.executions import build_console_url


def build_document(
    target: Target,
    details: RunDetails,
    publications: Publications,
    comparison: Comparison | None,
    now: datetime,
) -> dict[str, Any]:
    """Return the run as the content of the JSON document `run`."""
    run = details.run
    listed = ListedRun(run, run.run_id == publications.published, details.report, None)
    fields = describe_run(listed, now)
    del fields["change"], fields["error"]
    report, failure = details.report, details.failure
    return {
        "run": {
            **fields,
            "published_at": list(details.published_at),
            "run_before": publications.get_run_before(run.run_id),
            "states": [
                {
                    "name": state.name,
                    "depth": state.depth,
                    "started_at": state.first_entered,
                    "seconds": round(state.seconds_at(now), 1),
                    "visits": state.visits,
                    "result": state.result,
                }
                for state in details.states
            ],
            "files": [
                {
                    "dataset": file.dataset,
                    "key": file.key,
                    "version_id": file.version_id,
                    "bytes": file.size,
                    "pinned_key": file.pinned_key,
                }
                for file in details.files
            ],
            "datasets": _describe_datasets(details),
            "warnings": [
                {"code": code, "rows": rows}
                for code, rows in (report.warnings if report else {}).items()
            ],
            "tables": [
                {
                    "table": name,
                    "rows": totals.rows,
                    "rentals": totals.total_transactions,
                    "revenue": totals.total_revenue,
                }
                for name, totals in (
                    details.kpi_report.tables if details.kpi_report else {}
                ).items()
            ],
            "estimated_cost": None
            if details.cost is None
            else {"amount": details.cost, "currency": "USD"},
            "failure": failure
            and {
                "state": failure.state or None,
                "error": failure.error or None,
                "message": failure.message,
            },
            "links": list_links(target, details),
            "against": comparison and _describe_comparison(comparison),
        }
    }


def _describe_datasets(details: RunDetails) -> list[dict[str, Any]]:
    return [
        {
            "dataset": name,
            "read": counts.read,
            "accepted": counts.accepted,
            "rejected": counts.rejected,
            "reasons": [{"code": code, "rows": rows} for code, rows in counts.reasons.items()],
        }
        for name, counts in (details.report.datasets if details.report else {}).items()
    ]


def _describe_comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "run_id": comparison.run_id,
        "revenue": comparison.revenue,
        "percent": comparison.percent,
        "datasets": [asdict(difference) for difference in comparison.datasets],
        "changed_files": comparison.changed_files and list(comparison.changed_files),
    }


def list_links(target: Target, details: RunDetails) -> dict[str, str | None]:
    """Return where to find what belongs to a run."""
    run_id = details.run.run_id
    has_page = details.execution and not target.is_local
    return {
        "execution": build_console_url(details.execution.arn)
        if has_page and details.execution
        else None,
        "reports": f"s3://{target.bucket}/{run_report_key(run_id, '')}",
        "quarantine": f"s3://{target.bucket}/{quarantine_pattern(run_id)}/",
    }


def show_run(
    target: Target,
    details: RunDetails,
    publications: Publications,
    comparison: Comparison | None,
    console: Console,
    now: datetime,
) -> None:
    """Print everything about a run."""
    _print_heading(details, publications, console, now)
    if details.failure:
        state = f" in state {details.failure.state}" if details.failure.state else ""
        line = f"Failed{state}: {details.failure.message}"
        console.print(Text(escape_control_characters(line), style="bold red"), soft_wrap=True)
    if details.states:
        console.print(build_states_table("States", details.states, now))
    if details.files:
        console.print(_build_files_table(details))
    if details.report:
        # This imports DuckDB, which takes longer than everything above.
        from cli.summary import show_counts  # noqa: PLC0415

        show_counts(json.loads(details.report.to_json()), console)
        console.print(f"Revenue: {details.report.revenue:,}")
    if details.cost is not None and not target.is_local:
        console.print(
            f"Estimated cost of the cluster: at most {details.cost} USD (list prices of us-east-1)"
        )
    if comparison:
        _print_comparison(comparison, console)
    for name, link in list_links(target, details).items():
        if link:
            console.print(f"{name}: {link}", soft_wrap=True)


def _print_heading(
    details: RunDetails, publications: Publications, console: Console, now: datetime
) -> None:
    run = details.run
    seen = " Readers see this run." if run.run_id == publications.published else ""
    heading = f"Run {escape_control_characters(run.run_id)}: {run.status}.{seen}"
    console.print(Text(heading, style="bold"), soft_wrap=True)
    seconds = run.get_seconds(now)
    lines = {
        "batch": run.batch_name,
        "claimed": run.claimed_at,
        "started": f"{run.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if run.started_at else "",
        "duration": "" if seconds is None else f"{seconds:,.0f} s",
        "published": ", ".join(details.published_at),
    }
    for name, text in lines.items():
        if text:
            console.print(f"{name:10}{escape_control_characters(text)}", soft_wrap=True)


def _build_files_table(details: RunDetails) -> Table:
    table = Table(title="Input", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("file", overflow="fold")
    table.add_column("version", overflow="fold")
    table.add_column("bytes", justify="right")
    for file in details.files:
        table.add_row(
            escape_control_characters(file.key),
            escape_control_characters(file.version_id),
            f"{file.size:,}",
        )
    return table


def _print_comparison(comparison: Comparison, console: Console) -> None:
    console.print(f"\nAgainst {comparison.run_id}", style="bold")
    if comparison.revenue is not None:
        percent = "" if comparison.percent is None else f" ({comparison.percent:+.1f}%)"
        console.print(f"  revenue  {comparison.revenue:+,}{percent}")
    for difference in comparison.datasets:
        console.print(
            f"  {difference.dataset}: read {difference.read:+,}, accepted"
            f" {difference.accepted:+,}, rejected {difference.rejected:+,}"
        )
    if comparison.changed_files is not None:
        files = ", ".join(comparison.changed_files) or "none"
        console.print(f"  files that differ: {files}")
