"""Find the run that the argument RUN of a command names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cli.runs.batch_names import parse_batch_prefix
from cli.runs.publications import Publications, read_publications
from cli.runs.run import FAILED, PUBLISHED, Run
from cli.runs.run_reader import RunReader
from contract.layout import is_run_id
from contract.text import escape_control_characters
from local.errors import UserError

KEYWORDS = ("latest", "published", "previous", "failed")
_MAX_CANDIDATES = 10


def find_run(reader: RunReader, text: str, publications: Publications | None = None) -> Run:
    """Return the run that a text names.

    The text is, looked up in this order: the full ID of a run, a keyword, the exact name of a
    batch, which names its newest run, or the beginning of the ID of one run.

    Args:
        reader: Reads the runs.
        text: What the user typed.
        publications: The publication records, if the command has read them already.

    Raises:
        UserError: No run is named so, or several are. The message lists candidates.
    """
    run = reader.find(text) if is_run_id(text) else None
    if run is None and text in KEYWORDS:
        run = _find_by_keyword(reader, text, publications)
    return run or _find_by_batch(reader, text) or _find_by_prefix(reader, text)


def _find_by_keyword(reader: RunReader, keyword: str, publications: Publications | None) -> Run:
    def get_publications() -> Publications:
        return publications or read_publications(reader.target)

    finders: dict[str, Callable[[], Run | None]] = {
        "latest": lambda: next(reader.list_newest_first(), None),
        "failed": lambda: next(
            (run for run in reader.list_newest_first() if run.status == FAILED), None
        ),
        "published": lambda: _find_published(reader, get_publications().published),
        "previous": lambda: _find_published(reader, get_publications().previous),
    }
    run = finders[keyword]()
    if run is None:
        raise UserError(f"there is no {keyword} run: see ./run runs {reader.target.options}")
    return run


def _find_published(reader: RunReader, run_id: str | None) -> Run | None:
    if run_id is None:
        return None
    return reader.find(run_id) or Run(run_id, "", PUBLISHED)


def _find_by_batch(reader: RunReader, text: str) -> Run | None:
    prefix = parse_batch_prefix(text)
    if prefix is None:
        return None
    return next((run for run in reader.list_newest_first() if run.batch == prefix), None)


def _find_by_prefix(reader: RunReader, text: str) -> Run:
    candidates = reader.list_ids_with_prefix(text) if text else []
    if len(candidates) == 1:
        run = reader.find(candidates[0])
        if run is not None:
            return run
    shown = escape_control_characters(text)
    if candidates:
        raise UserError(f"{shown!r} is the beginning of several runs: {_format(candidates)}")
    known = reader.list_ids_with_prefix("")
    hint = f"the newest are {_format(known)}" if known else "there is no run yet"
    raise UserError(
        f"no run is named {shown!r}: {hint}. A run is named by its ID or the beginning of it, by"
        f" its batch, or by {', '.join(KEYWORDS[:-1])}, or {KEYWORDS[-1]}"
    )


def _format(candidates: Sequence[str]) -> str:
    text = ", ".join(escape_control_characters(name) for name in candidates[:_MAX_CANDIDATES])
    others = len(candidates) - _MAX_CANDIDATES
    return f"{text}, and {others:,} others" if others > 0 else text
