"""The names of batches, as people type them, and their prefixes."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from contract.datasets import DATASETS
from contract.layout import RAW_PREFIX, is_batch_prefix
from contract.text import has_control_characters
from local.errors import UserError

_MAX_KEY_BYTES = 1024


def get_batch_name(prefix: str) -> str:
    """Return the name of a batch: `2026-11` for `raw/2026-11/`, otherwise the prefix itself."""
    name = prefix.removeprefix(RAW_PREFIX).removesuffix("/")
    return name if prefix.startswith(RAW_PREFIX) and name else prefix


def parse_batch_prefix(text: str) -> str | None:
    """Return the batch prefix that a batch name or a batch prefix identifies, or `None`.

    Args:
        text: For example `2026-11`, `raw/2026-11/`, or `raw/`.
    """
    prefix = text if text.startswith(RAW_PREFIX) else f"{RAW_PREFIX}{text}"
    prefix = prefix if prefix.endswith("/") else f"{prefix}/"
    return prefix if text and is_batch_prefix(prefix) else None


def parse_batch(text: str) -> str:
    """Return the batch prefix that a batch name or a batch prefix identifies.

    Args:
        text: For example `2026-11`, `raw/2026-11/`, or `raw/`.

    Raises:
        UserError: The text is neither a batch name nor a batch prefix.
    """
    prefix = parse_batch_prefix(text)
    if prefix is None:
        raise UserError(
            f"{text!r} is not a batch: specify its name, such as 2026-11, or its prefix, such as"
            f" {RAW_PREFIX}2026-11/"
        )
    return prefix


def build_batch_prefix(name: str) -> str:
    """Return the batch prefix `raw/<name>/`.

    Raises:
        UserError: The name is not a single path segment, contains control characters, or is too
            long for an S3 key.
    """
    if has_control_characters(name):
        raise UserError(f"{name!r} is not a valid batch name: use one without control characters")
    if not name or "/" in name or name != name.strip() or name in {".", ".."}:
        raise UserError(f"{name!r} is not a valid batch name: use a single path segment")
    prefix = f"{RAW_PREFIX}{name}/"
    if any(len(f"{prefix}{dataset.file}".encode()) > _MAX_KEY_BYTES for dataset in DATASETS):
        raise UserError(
            f"the batch name has {len(name):,} characters, too many for an S3 key: use a shorter"
            " name"
        )
    return prefix


def generate_batch_name() -> str:
    """Return a unique batch name: batches that overlap in time need separate prefixes."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:6]}"
