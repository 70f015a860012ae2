"""How emails name batches and runs, and the commands that people copy from them.

The uploader chooses the name of a batch. It becomes part of a command only if a shell and the
commands cannot take it for anything else. Otherwise, the command names the run by its ID.
"""

from __future__ import annotations

import re
import shlex

from contract.layout import RAW_PREFIX
from contract.text import escape_control_characters
from pipeline.notifications.plain_text import shorten

_MAX_LABEL_LENGTH = 30
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
# What the commands look up before the names of batches: run IDs and keywords.
_RUN_ID = re.compile(r".+-[0-9a-f]{20}(-\d+)?")
_KEYWORDS = {"latest", "published", "previous", "failed"}


def get_batch_name(prefix: str) -> str:
    """Return the name of a batch, such as `2024-w22` for `raw/2024-w22/`, or `raw` for `raw/`."""
    return prefix.removeprefix(RAW_PREFIX).strip("/") or RAW_PREFIX.strip("/")


def label_batch(prefix: str) -> str:
    """Return the name of a batch as part of a line or a subject."""
    return shorten(get_batch_name(prefix), _MAX_LABEL_LENGTH)


def label_run(run_id: str, batch: str) -> str:
    """Return a short name of a run: the name of its batch, or its ID if the batch is unknown."""
    return label_batch(batch) if batch else run_id


def name_run(run_id: str, batch: str, other_batch: str | None = None) -> str:
    """Return the argument of a command that identifies a run.

    Args:
        run_id: ID of the run.
        batch: Prefix of its batch. Empty if unknown.
        other_batch: Prefix of the batch of a newer run. The name of a batch stands for its newest
            run, so a run of the same batch needs its ID.
    """
    name = batch.removeprefix(RAW_PREFIX).strip("/")
    is_plain = _PLAIN_NAME.fullmatch(name) and not _RUN_ID.fullmatch(name)
    if batch.startswith(RAW_PREFIX) and is_plain and name not in _KEYWORDS and batch != other_batch:
        return name
    return run_id


def build_command(*words: str) -> str:
    """Return a command of `./run` in one line, quoted for a shell."""
    return shlex.join(["./run", *words])


def describe_stack_option(stack: str) -> str:
    """Return the line about the option that commands need on AWS."""
    return f"On AWS, add --stack {stack}"


def name_batch(prefix: str) -> str:
    """Return the argument of a command that identifies a batch: its name or its prefix."""
    name = prefix.removeprefix(RAW_PREFIX).strip("/")
    return name if _PLAIN_NAME.fullmatch(name) else escape_control_characters(prefix)
