"""The steps of a cluster that did not come to their end, and what their jobs said last."""

from __future__ import annotations

import gzip
import re
import zlib
from collections import deque
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from contract.exit_codes import EXIT_INVALID_INPUT
from contract.layout import step_logs_prefix
from pipeline.aws.clients import error_code
from pipeline.text import truncate

if TYPE_CHECKING:
    from types_boto3_emr import EMRClient
    from types_boto3_emr.literals import StepStateType
    from types_boto3_s3 import S3Client

_NOT_COMPLETED: tuple[StepStateType, ...] = ("FAILED", "CANCELLED", "INTERRUPTED")
_LINES = 3
_LONGEST_LINE = 2_000
# A job's log is some megabytes; compressed, text shrinks to a tenth or less.
_LARGEST_LOG = 20_000_000
_EXIT_LINE = re.compile(r"Command exiting with ret '(\d+)'")


@dataclass(frozen=True)
class FailedStep:
    """A step in its last state, with EMR's FailureDetails (empty where EMR gives none)."""

    cluster_id: str
    step_id: str
    name: str
    state: str
    reason: str
    message: str

    @property
    def log_folder(self) -> str:
        """Where EMR puts what the step's job wrote, below the bucket."""
        return f"{step_logs_prefix(self.cluster_id, self.step_id)}/"


@dataclass(frozen=True)
class LogTail:
    """The last lines that our job itself wrote, and what it exited with; null if not told."""

    lines: tuple[str, ...]
    exit_code: int | None

    @property
    def is_input_error(self) -> bool:
        """Whether the job found something in its input to mend, which its last line says."""
        return self.exit_code == EXIT_INVALID_INPUT


def list_failed_steps(emr: EMRClient, cluster_id: str) -> list[FailedStep]:
    """Return the steps that failed or were canceled; the failed steps come first."""
    pages = emr.get_paginator("list_steps").paginate(
        ClusterId=cluster_id, StepStates=_NOT_COMPLETED
    )
    steps = []
    for listed in (step for page in pages for step in page["Steps"]):
        details = listed["Status"].get("FailureDetails", {})
        steps.append(
            FailedStep(
                cluster_id=cluster_id,
                step_id=listed["Id"],
                name=listed["Name"],
                state=listed["Status"]["State"],
                reason=truncate(details.get("Reason") or ""),
                message=truncate(details.get("Message") or ""),
            )
        )
    return sorted(steps, key=lambda step: (step.state != "FAILED", step.name))


def read_log_tail(s3: S3Client, bucket: str, step: FailedStep) -> LogTail | None:
    """What the step's job said last; null while EMR has not yet put its logs into the bucket.

    In client mode Spark passes all that the job's Python says on to its own stdout, stderr too;
    command-runner tells the exit code on stderr. So both are read.

    Only lines that our program wrote under its own name, which hold no data of the input; the rest
    of the log is Spark's and may quote rows. A log that is too large is not read.
    """
    stdout, stderr = (_read(s3, bucket, step, name) for name in ("stdout.gz", "stderr.gz"))
    if stderr is None:
        return None
    lines = (*(stdout.lines if stdout else ()), *stderr.lines)
    return LogTail(lines[-_LINES:], stderr.exit_code)


def _read(s3: S3Client, bucket: str, step: FailedStep, name: str) -> LogTail | None:
    try:
        answer = s3.get_object(Bucket=bucket, Key=f"{step.log_folder}{name}")
    except ClientError as error:
        if error_code(error) == "NoSuchKey":
            return None
        raise
    with answer["Body"] as body:
        if answer["ContentLength"] > _LARGEST_LOG:
            return LogTail((), None)
        # The stream has the one method that GzipFile calls.
        return _own_words(cast("IO[bytes]", body), step.name)


def _own_words(log: IO[bytes], program: str) -> LogTail:
    # "2026-11-23 19:00:31,123 kpis: words", or without the time for arguments that are unusable.
    ours = re.compile(rf"(?:\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d{{3}} )?{re.escape(program)}: (.+)")
    lines: deque[str] = deque(maxlen=_LINES)
    exit_code = None
    with gzip.GzipFile(fileobj=log) as text:
        try:
            while line := text.readline(_LONGEST_LINE):
                written = line.decode("utf-8", "replace").rstrip()
                if found := ours.fullmatch(written):
                    lines.append(truncate(found[1]))
                elif ended := _EXIT_LINE.fullmatch(written):
                    exit_code = int(ended[1])
        except (EOFError, gzip.BadGzipFile, zlib.error):
            pass  # broken off: what came before it counts
    return LogTail(tuple(lines), exit_code)
