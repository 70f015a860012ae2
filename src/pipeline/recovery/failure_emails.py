"""Emails about runs that failed, were aborted, or timed out."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from contract.layout import RAW_PREFIX
from contract.text import escape_control_characters
from pipeline.aws.emr_clusters import Cluster
from pipeline.aws.emr_steps import FailedStep, LogTail
from pipeline.aws.executions import Execution, build_console_url, build_execution_arn
from pipeline.notifications.emails import Email
from pipeline.recovery.failure_details import FailureDetails
from pipeline.recovery.failures import Failure
from pipeline.text import truncate

# The name of an execution that repeats a run, such as `2026-11-<digest>-2`.
_REPEATED_RUN = re.compile(r"(?P<run>.+-[0-9a-f]{20})-(?P<number>\d+)")
# By the status of the execution: the outcome in the subject, and the outcome in a sentence.
_OUTCOMES = {"ABORTED": ("aborted", "was aborted"), "TIMED_OUT": ("timed out", "timed out")}
_FAILED = ("failed", "failed")


@dataclass(frozen=True)
class RunContext:
    """The run that an email is about, and where it ran.

    Attributes:
        run_id: ID of the run.
        batch: Prefix of the batch. None if unknown.
        state_machine_arn: ARN of the state machine.
        bucket: Name of the data bucket.
        is_test: Whether the run only verifies the deployment.
    """

    run_id: str
    batch: str | None
    state_machine_arn: str
    bucket: str
    is_test: bool = field(default=False, kw_only=True)

    @property
    def execution_arn(self) -> str:
        """ARN of the execution of the run."""
        return build_execution_arn(self.state_machine_arn, self.run_id)

    @property
    def shown_batch(self) -> str:
        """The batch prefix as an email can show it. `raw/` if the batch is unknown."""
        return escape_control_characters(self.batch or RAW_PREFIX)

    @property
    def batch_text(self) -> str:
        """The batch as part of a sentence."""
        return f"batch {self.shown_batch}" if self.batch else "an unknown batch"

    @property
    def label(self) -> str:
        """The batch name, such as `2026-11` for `raw/2026-11/`, or else the run ID."""
        return self.shown_batch.strip("/").rpartition("/")[2] if self.batch else self.run_id


def build_failed_run_email(
    run: RunContext, failure: Failure, details: FailureDetails, published: str
) -> Email:
    """Return the email about a failure that the state machine caught.

    Args:
        run: The failed run.
        failure: The error that the state machine caught.
        details: The details of the failure.
        published: A sentence about the run that readers see. Empty if it is unknown.
    """
    failed_steps = [step.name for step in details.steps if step.state == "FAILED"]
    names = ", ".join(failed_steps)
    location = f"{failure.state}: {names}" if names else failure.state
    steps = f" ({'step' if len(failed_steps) == 1 else 'steps'} {names})" if names else ""
    paragraphs = [
        f"Run {run.run_id} of {run.batch_text} failed in state {failure.state}{steps}.",
        _describe_failure(failure, details),
        *(
            _describe_step(step, details.log_tails.get(step.step_id), run.bucket)
            for step in details.steps
        ),
        *(truncate(gap) for gap in details.gaps),
        truncate(published),
        _describe_cluster(details.cluster),
    ]
    is_data_error = failure.is_data_error or details.is_input_error
    return _create_email(
        f"Rental KPIs failed: {run.label} ({location})",
        paragraphs,
        run,
        is_data_error=is_data_error,
    )


def build_ended_run_email(
    run: RunContext, execution: Execution, failure: Failure, cluster: str, published: str
) -> Email:
    """Return the email about an execution that could not report its own end.

    The watchdog sends it. It contains no details about the steps of the run.

    Args:
        run: The run of the execution.
        execution: The execution.
        failure: Why the execution ended.
        cluster: A sentence about the cluster.
        published: Sentences about the run that readers see. Empty if there are none.
    """
    headline, outcome = _OUTCOMES.get(execution.status, _FAILED)
    state_in_subject = f" ({failure.state})" if failure.state else ""
    state_in_sentence = f" in state {failure.state}" if failure.state else ""
    paragraphs = [
        f"Run {run.run_id} of {run.batch_text} {outcome}{state_in_sentence}.",
        failure.message,
        truncate(published),
        cluster,
    ]
    return _create_email(
        f"Rental KPIs {headline}: {run.label}{state_in_subject}",
        paragraphs,
        run,
        is_data_error=failure.is_data_error,
    )


def _create_email(
    subject: str, paragraphs: list[str], run: RunContext, *, is_data_error: bool
) -> Email:
    texts = [
        *(text for text in paragraphs if text),
        _describe_next_steps(run, is_data_error=is_data_error),
        f"Execution: {build_console_url(run.execution_arn)}",
    ]
    email = Email(subject, "\n\n".join(texts) + "\n")
    return email.mark_as_test() if run.is_test else email


def _describe_failure(failure: Failure, details: FailureDetails) -> str:
    """Return the most useful reason: a problem with the input, or else the error and its cause."""
    for step in details.steps:
        tail = details.log_tails.get(step.step_id)
        if tail and tail.is_input_error and tail.lines:
            problem = truncate(tail.lines[-1])
            return f"{step.name} reported a problem with the input: {problem}"
    if details.cluster and details.cluster.failure_reason:
        reason = truncate(details.cluster.failure_reason)
        return f"{failure.message}\nThe cluster failed: {reason}"
    return failure.message


def _describe_step(step: FailedStep, tail: LogTail | None, bucket: str) -> str:
    if step.state != "FAILED":
        return f"Step {step.name} ({step.step_id}) did not complete: {step.state}."
    exit_code = "" if tail is None or tail.exit_code is None else f", exit code {tail.exit_code}"
    lines = [f"Step {step.name} ({step.step_id}): {step.state}{exit_code}"]
    if tail is None:
        lines.append("  The job's log was not available when this email was sent.")
    elif tail.lines:
        lines.append("  Last lines of the job's log:")
        lines += [f"    {truncate(line)}" for line in tail.lines]
    else:
        lines.append("  No messages from the job could be read from its log.")
    if step.reason or step.message:
        reason = truncate(f"{step.reason} {step.message}")
        lines.append(f"  Reason given by EMR: {reason}")
    lines.append(f"  Logs: s3://{bucket}/{step.logs_prefix}")
    return "\n".join(lines)


def _describe_cluster(cluster: Cluster | None) -> str:
    if cluster is None:
        return (
            "No cluster is known to be running for this run. If one is still running, the watchdog"
            " will terminate it."
        )
    if cluster.is_active:
        return (
            f"Cluster {cluster.cluster_id} is still in state {cluster.state}. The watchdog"
            " terminates it after the execution has ended."
        )
    return f"Cluster {cluster.cluster_id} is no longer running: {cluster.state}."


def _describe_next_steps(run: RunContext, *, is_data_error: bool) -> str:
    if run.is_test:
        return (
            "The run only verifies the deployment, so no batch is affected. To verify it again, run"
            " ./run verify."
        )
    command = (
        f"aws stepfunctions start-execution \\\n  --state-machine-arn {run.state_machine_arn} \\\n"
        f"  --name {shlex.quote(next_run_name(run.run_id))} \\\n"
        '  --input "$(aws stepfunctions describe-execution \\\n'
        f"    --execution-arn {shlex.quote(run.execution_arn)} \\\n"
        '    --query input --output text)"'
    )
    upload = f"upload all four files to {run.shown_batch}. A new run starts automatically."
    if is_data_error:
        again = f"To process the same files again anyway:\n\n{command}"
        return f"Correct the data, and {upload}\n\n{again}"
    return f"To process the same files again:\n\n{command}\n\nTo process other files, {upload}"


def next_run_name(run_id: str) -> str:
    """Return the name of the execution that repeats a run: a name can be used only once."""
    match = _REPEATED_RUN.fullmatch(run_id)
    return f"{match['run']}-{int(match['number']) + 1}" if match else f"{run_id}-2"
