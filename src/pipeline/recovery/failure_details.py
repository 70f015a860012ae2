"""Details of a failed run: its cluster, its failed steps, and their logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_result, stop_before_delay, wait_fixed

from pipeline.aws.clients import AwsClients, error_code
from pipeline.aws.emr_clusters import Cluster, describe_cluster
from pipeline.aws.emr_steps import FailedStep, LogTail, list_failed_steps, read_log_tail
from pipeline.errors import InvalidPublicationRecordError
from pipeline.notifications.plain_text import fold, quote
from pipeline.notifications.run_names import label_run
from pipeline.publication.publication_records import PublicationRecords
from pipeline.text import truncate

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_POLL_SECONDS = 10


@dataclass
class FailureDetails:
    """The details of a failed run that could be read.

    Attributes:
        cluster: The cluster of the run. None if there is none or it could not be read.
        steps: The steps that failed or were canceled.
        log_tails: The end of each available log, by step ID.
        incomplete_logs: The failed steps whose log is not complete yet.
        gaps: A sentence for each detail that could not be read.
    """

    cluster: Cluster | None = None
    steps: list[FailedStep] = field(default_factory=list)
    log_tails: dict[str, LogTail] = field(default_factory=dict)
    incomplete_logs: list[FailedStep] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    @property
    def is_input_error(self) -> bool:
        """Whether a job failed because of its input."""
        return any(tail.is_input_error for tail in self.log_tails.values())

    @contextmanager
    def record_gap(self, subject: str) -> Iterator[None]:
        """Record an error as a gap and continue: the email is more important than its details.

        Args:
            subject: The detail that is being read, as the beginning of a sentence.
        """
        try:
            yield
        except ClientError as error:
            self.gaps.append(f"{subject} could not be read ({error_code(error)}).")
        except BotoCoreError as error:
            self.gaps.append(f"{subject} could not be read ({type(error).__name__}).")
        except InvalidPublicationRecordError as error:
            self.gaps.append(f"{subject} could not be read: {truncate(str(error))}.")

    def describe_published_run(self, s3: S3Client, bucket: str, run_id: str) -> str:
        """Return sentences about the run that readers see. If it is unknown, record a gap.

        Args:
            s3: The S3 client.
            bucket: Name of the data bucket.
            run_id: ID of the failed run.

        Returns:
            The sentences, as lines of an email. Empty if the published run is unknown.
        """
        with self.record_gap("The published run"):
            records = PublicationRecords(s3, bucket)
            published = records.read_published()
            if published is None:
                return fold("Nothing was published, and no earlier run was published either.")
            if published.run_id == run_id:
                return fold("The run failed after it was published. Readers see its numbers.")
            label = quote(label_run(published.run_id, published.batch))
            if records.has_record_of(run_id):
                state = "The run failed after it was published. Readers now see the numbers of:"
            else:
                state = "Nothing was published. Readers still see the numbers of:"
            return f"{fold(state)}\n{label}"
        return ""


def collect_failure_details(
    aws: AwsClients, bucket: str, cluster_id: str, timeout_seconds: float
) -> FailureDetails:
    """Read the details of a failure, and wait until the logs of the failed steps are complete.

    EMR stores logs in the bucket every five minutes and when the cluster terminates.

    Args:
        aws: The AWS clients.
        bucket: Name of the data bucket.
        cluster_id: ID of the cluster of the run.
        timeout_seconds: Maximum time to wait for the logs.

    Returns:
        The details. If the wait times out, some logs are missing or incomplete.
    """
    details: FailureDetails = Retrying(
        retry=retry_if_result(lambda result: bool(result.incomplete_logs)),
        wait=wait_fixed(_POLL_SECONDS),
        stop=stop_before_delay(timeout_seconds),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )(_read_details, aws, bucket, cluster_id)
    return details


def _read_details(aws: AwsClients, bucket: str, cluster_id: str) -> FailureDetails:
    details = FailureDetails()
    with details.record_gap(f"Cluster {cluster_id}"):
        details.cluster = describe_cluster(aws.emr, cluster_id)
    with details.record_gap(f"The steps of cluster {cluster_id}"):
        details.steps = list_failed_steps(aws.emr, cluster_id)
    for step in details.steps:
        # A canceled step did not cause the failure, and may have no log.
        if step.state == "FAILED":
            with details.record_gap(f"The log of step {step.name}"):
                _read_log(aws.s3, bucket, step, details)
    return details


def _read_log(s3: S3Client, bucket: str, step: FailedStep, details: FailureDetails) -> None:
    tail = read_log_tail(s3, bucket, step)
    if tail is not None:
        details.log_tails[step.step_id] = tail
    # While the cluster is running, the last lines of the log may still be missing.
    is_complete = tail is not None and tail.exit_code is not None
    has_terminated = details.cluster is not None and not details.cluster.is_active
    if tail is None or not (is_complete or has_terminated):
        details.incomplete_logs.append(step)
