"""Batches and the runs that they become, as the ledger and the state machine know them."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from contract.datasets import DATASETS
from contract.layout import RAW_PREFIX

_DIGEST_LETTERS = 20
_LONGEST_SLUG = 40
# They have different lengths, and are in order once the shorter is padded on the right (Amazon S3
# User Guide, "Event message structure").
_SEQUENCER_LETTERS = 64


@dataclass(frozen=True)
class BatchFile:
    """One valid version of one file of a batch; `size` in bytes, `sequencer` as S3 gave it.

    `uploaded_at` is S3's own time of the version, ISO 8601.
    """

    dataset: str
    key: str
    version_id: str
    size: int
    sequencer: str
    uploaded_at: str
    warnings: tuple[str, ...] = ()

    @property
    def order(self) -> str:
        """What puts the versions of one key in the order of their upload."""
        return ordered(self.sequencer)


def ordered(sequencer: str) -> str:
    """A sequencer as text that sorts by time."""
    return sequencer.upper().ljust(_SEQUENCER_LETTERS, "0")


@dataclass(frozen=True)
class Run:
    """Four files that were claimed: what an execution is started with.

    `claimed_at` is ISO 8601 in UTC with microseconds, so that it sorts as text.
    """

    run_id: str
    batch: str
    claimed_at: str
    files: tuple[Mapping[str, Any], ...]

    @property
    def execution_input(self) -> str:
        """The same text for the same run, so that a second start is known to be one."""
        content = {
            "batch": self.batch,
            "claimed_at": self.claimed_at,
            "files": [dict(file) for file in self.files],
        }
        return json.dumps(content, sort_keys=True)


def new_run(batch: str, files: Mapping[str, BatchFile], claimed_at: str) -> Run:
    """The run of four files, one for each dataset's name; its id comes from keys and versions."""
    inputs = [files[dataset.name] for dataset in DATASETS]
    identity = json.dumps([(file.key, file.version_id) for file in inputs])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:_DIGEST_LETTERS]
    kept = ("dataset", "key", "version_id", "size", "warnings")
    entries = tuple({name: asdict(file)[name] for name in kept} for file in inputs)
    return Run(f"{_slug(batch)}-{digest}", batch, claimed_at, entries)


def _slug(batch: str) -> str:
    """The batch's own name in the plain letters that a run's id may have; `raw` without one."""
    name = batch.removeprefix(RAW_PREFIX).strip("/")
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub("[^A-Za-z0-9]+", "-", plain).strip("-")[:_LONGEST_SLUG].strip("-") or "raw"
