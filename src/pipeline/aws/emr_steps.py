"""The steps of a cluster that did not complete, and the last lines of their logs."""

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
_TAIL_LINES = 3
_MAX_LINE_LENGTH = 2_000
# Bytes of a compressed log. A job writes a few megabytes, which compress to a tenth or less.
_MAX_LOG_SIZE = 20_000_000
_EXIT_LINE = re.compile(r"Command exiting with ret '(\d+)'")


@dataclass(frozen=True)
class FailedStep:
    """A step that failed or was canceled.

    Attributes:
        cluster_id: ID of the cluster.
        step_id: ID of the step.
        name: Name of the step, which is the name of its job.
        state: Final state of the step.
        reason: Reason in EMR's `FailureDetails`. Empty if there is none.
        message: Message in EMR's `FailureDetails`. Empty if there is none.
    """

    cluster_id: str
    step_id: str
    name: str
    state: str
    reason: str
    message: str

    @property
    def logs_prefix(self) -> str:
        """Prefix of the step's logs in the data bucket, with a slash at the end."""
        return f"{step_logs_prefix(self.cluster_id, self.step_id)}/"


@dataclass(frozen=True)
class LogTail:
    """The end of a step's log.

    Attributes:
        lines: The last lines that the job itself wrote.
        exit_code: Exit code of the job. None if the log does not contain it.
    """

    lines: tuple[str, ...]
    exit_code: int | None

    @property
    def is_input_error(self) -> bool:
        """Whether the job reported a problem with its input, which the last line describes."""
        return self.exit_code == EXIT_INVALID_INPUT


def list_failed_steps(emr: EMRClient, cluster_id: str) -> list[FailedStep]:
    """Return the steps that failed or were canceled. The failed steps come first."""
    pages = emr.get_paginator("list_steps").paginate(
        ClusterId=cluster_id, StepStates=_NOT_COMPLETED
    )
    steps = []
    for step in (step for page in pages for step in page["Steps"]):
        details = step["Status"].get("FailureDetails", {})
        steps.append(
            FailedStep(
                cluster_id=cluster_id,
                step_id=step["Id"],
                name=step["Name"],
                state=step["Status"]["State"],
                reason=truncate(details.get("Reason") or ""),
                message=truncate(details.get("Message") or ""),
            )
        )
    return sorted(steps, key=lambda failed: (failed.state != "FAILED", failed.name))


def read_log_tail(s3: S3Client, bucket: str, step: FailedStep) -> LogTail | None:
    """Return the last lines that the job of a step wrote to its log.

    Reads stdout and stderr. In client mode, Spark writes stdout and stderr of the job's Python
    process to its own stdout, and EMR's command runner writes the exit code to stderr.

    Contains only lines that begin with the name of the job, because these contain no input data.
    The other lines are Spark's and may quote rows.

    Args:
        s3: The S3 client.
        bucket: Name of the data bucket.
        step: The step.

    Returns:
        The end of the log, or None if EMR has not stored the log yet. The result contains no lines
        if the log is too large to be read.
    """
    stdout, stderr = (_read_log(s3, bucket, step, name) for name in ("stdout.gz", "stderr.gz"))
    if stderr is None:
        return None
    lines = (*(stdout.lines if stdout else ()), *stderr.lines)
    return LogTail(lines[-_TAIL_LINES:], stderr.exit_code)


def _read_log(s3: S3Client, bucket: str, step: FailedStep, name: str) -> LogTail | None:
    try:
        response = s3.get_object(Bucket=bucket, Key=f"{step.logs_prefix}{name}")
    except ClientError as error:
        if error_code(error) == "NoSuchKey":
            return None
        raise
    with response["Body"] as body:
        if response["ContentLength"] > _MAX_LOG_SIZE:
            return LogTail((), None)
        # GzipFile calls only `read`, which the stream has.
        return _parse_log(cast("IO[bytes]", body), step.name)


def _parse_log(log: IO[bytes], job: str) -> LogTail:
    # "2026-11-23 19:00:31,123 kpis: message". Errors about the arguments have no time.
    job_line = re.compile(rf"(?:\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d{{3}} )?{re.escape(job)}: (.+)")
    lines: deque[str] = deque(maxlen=_TAIL_LINES)
    exit_code = None
    with gzip.GzipFile(fileobj=log) as text:
        try:
            while content := text.readline(_MAX_LINE_LENGTH):
                line = content.decode("utf-8", "replace").rstrip()
                if match := job_line.fullmatch(line):
                    lines.append(truncate(match[1]))
                elif match := _EXIT_LINE.fullmatch(line):
                    exit_code = int(match[1])
        except (EOFError, gzip.BadGzipFile, zlib.error):
            pass  # The log is incomplete or damaged: keep the lines before the damage.
    return LogTail(tuple(lines), exit_code)
