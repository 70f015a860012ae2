"""What people are told about a run that ended without results."""

from __future__ import annotations

import re
from dataclasses import dataclass

from contract.layout import RAW_PREFIX
from pipeline.aws.emr_clusters import Cluster
from pipeline.aws.emr_steps import FailedStep, LogTail
from pipeline.aws.executions import Execution, console_link, execution_arn
from pipeline.notifications.emails import Email
from pipeline.recovery.failure_details import FailureDetails
from pipeline.recovery.failures import Failure

_RERUN = re.compile(r"(?P<run>.+-[0-9a-f]{20})-(?P<number>\d+)")
_HEADLINES = {"ABORTED": "stopped", "TIMED_OUT": "timed out"}


@dataclass(frozen=True)
class RunContext:
    """What an email about a run without results needs besides the failure.

    Attributes:
        run_id: ID of the run.
        batch: Prefix of the batch. None if unknown.
        state_machine_arn: ARN of the state machine.
        bucket: Name of the data bucket.
    """

    run_id: str
    batch: str | None
    state_machine_arn: str
    bucket: str

    @property
    def execution_arn(self) -> str:
        """ARN of the execution of the run."""
        return execution_arn(self.state_machine_arn, self.run_id)

    @property
    def batch_text(self) -> str:
        """The batch within a sentence."""
        return f"the batch {self.batch}" if self.batch else "an unknown batch"

    @property
    def label(self) -> str:
        """The batch name, such as `2026-11` for `raw/2026-11/`, or else the run ID."""
        return self.batch.strip("/").rpartition("/")[2] if self.batch else self.run_id


def failed_run_email(
    run: RunContext, failure: Failure, details: FailureDetails, published: str
) -> Email:
    """Return the email about a failure that the state machine caught.

    Args:
        run: The failed run.
        failure: What the state machine caught.
        details: What was found out about the failure.
        published: A sentence about the published tables, or an empty text.
    """
    jobs = ", ".join(step.name for step in details.steps if step.state == "FAILED")
    where = f"{failure.state}: {jobs}" if jobs else failure.state
    paragraphs = [
        f"The run {run.run_id} of {run.batch_text} failed at {where}.",
        _what_failed(failure, details),
        *(_step(step, details.log_tails.get(step.step_id), run.bucket) for step in details.steps),
        *details.gaps,
        published,
        _cluster_of(details.cluster),
    ]
    is_data_error = failure.is_of_data or details.is_input_error
    return _create_email(
        f"Rental KPIs failed: {run.label} ({where})", paragraphs, run, is_data_error=is_data_error
    )


def ended_run_email(
    run: RunContext, execution: Execution, failure: Failure, cluster: str, published: str
) -> Email:
    """Return the email about an execution that could not report its own end.

    The watchdog sends it. It does not look at the steps of the run.

    Args:
        run: The run of the execution.
        execution: The execution.
        failure: Why the execution ended.
        cluster: A sentence about the cluster.
        published: A sentence about the published tables, or an empty text.
    """
    headline = _HEADLINES.get(execution.status, "failed")
    where = f" ({failure.state})" if failure.state else ""
    paragraphs = [
        f"The run {run.run_id} of {run.batch_text} ended without results: {headline}{where}.",
        failure.message,
        published,
        cluster,
    ]
    return _create_email(
        f"Rental KPIs {headline}: {run.label}{where}",
        paragraphs,
        run,
        is_data_error=failure.is_of_data,
    )


def _create_email(
    subject: str, paragraphs: list[str], run: RunContext, *, is_data_error: bool
) -> Email:
    texts = [
        *(text for text in paragraphs if text),
        _what_to_do(run, is_data_error=is_data_error),
        f"The execution: {console_link(run.execution_arn)}",
    ]
    return Email(subject, "\n\n".join(texts) + "\n")


def _what_failed(failure: Failure, details: FailureDetails) -> str:
    """The first thing to know: what the user has to mend, or what broke."""
    for step in details.steps:
        tail = details.log_tails.get(step.step_id)
        if tail and tail.is_input_error and tail.lines:
            return f"{step.name} found something for you to mend: {tail.lines[-1]}"
    if details.cluster and details.cluster.failure_reason:
        return f"{failure.message} The cluster failed by itself: {details.cluster.failure_reason}"
    return failure.message


def _step(step: FailedStep, words: LogTail | None, bucket: str) -> str:
    if step.state != "FAILED":
        return f"Step {step.name} ({step.step_id}) was not finished: {step.state}."
    exited = "" if words is None or words.exit_code is None else f", exit code {words.exit_code}"
    lines = [f"Step {step.name} ({step.step_id}): {step.state}{exited}"]
    if words is None:
        lines.append("  The job's own last words are not known: its log was not there to be read.")
    elif words.lines:
        lines.append("  The job's own last words:")
        lines += [f"    {line}" for line in words.lines]
    else:
        lines.append("  The job said nothing under its own name.")
    if step.reason or step.message:
        lines.append(f"  EMR: {' '.join(text for text in (step.reason, step.message) if text)}")
    lines.append(f"  The logs: s3://{bucket}/{step.log_folder}")
    return "\n".join(lines)


def _cluster_of(cluster: Cluster | None) -> str:
    if cluster is None:
        return "No cluster is known to be up; if one is all the same, the watchdog ends it."
    if cluster.is_active:
        return (
            f"The cluster {cluster.cluster_id} is still {cluster.state}: the watchdog ends it when"
            " the execution has ended."
        )
    return f"The cluster {cluster.cluster_id} was ended: {cluster.state}."


def _what_to_do(run: RunContext, *, is_data_error: bool) -> str:
    again = (
        f"aws stepfunctions start-execution \\\n  --state-machine-arn {run.state_machine_arn} \\\n"
        f"  --name {next_run_name(run.run_id)} \\\n"
        '  --input "$(aws stepfunctions describe-execution \\\n'
        f"    --execution-arn {run.execution_arn} \\\n"
        '    --query input --output text)"'
    )
    upload = f"upload all four files to {run.batch or RAW_PREFIX}. A new run starts automatically."
    if is_data_error:
        return (
            f"To correct the data, {upload}\n\nTo process the same files again anyway:\n\n{again}"
        )
    return f"To process the same files again:\n\n{again}\n\nTo process other files, {upload}"


def next_run_name(run_id: str) -> str:
    """The name to run a run's input again under: an execution's name is used once."""
    rerun = _RERUN.fullmatch(run_id)
    return f"{rerun['run']}-{int(rerun['number']) + 1}" if rerun else f"{run_id}-2"
