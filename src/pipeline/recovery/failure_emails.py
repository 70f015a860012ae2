"""Emails about runs that failed, were aborted, or timed out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from contract.layout import RAW_PREFIX
from pipeline.aws.emr_clusters import Cluster
from pipeline.aws.emr_steps import FailedStep, LogTail
from pipeline.aws.executions import Execution, build_console_url, build_execution_arn
from pipeline.notifications.emails import Email
from pipeline.notifications.plain_text import (
    EFFECT,
    NEXT_STEPS,
    build_body,
    fold,
    quote,
    quote_lines,
    section,
)
from pipeline.notifications.run_names import build_command, describe_stack_option, label_run
from pipeline.recovery.failure_details import FailureDetails
from pipeline.recovery.failures import Failure

# The name of an execution that repeats a run, such as `2026-11-<digest>-2`.
_REPEATED_RUN = re.compile(r"(?P<run>.+-[0-9a-f]{20})-(?P<number>\d+)")
# By the status of the execution: the outcome in the subject, and the outcome in a sentence.
_OUTCOMES = {"ABORTED": ("aborted", "was aborted"), "TIMED_OUT": ("timed out", "timed out")}
_FAILED = ("failed", "failed")
_UNKNOWN_EFFECT = "It is unknown which run readers see."


@dataclass(frozen=True)
class RunContext:
    """The run that an email is about, and where it ran.

    Attributes:
        run_id: ID of the run.
        batch: Prefix of the batch. None if unknown.
        state_machine_arn: ARN of the state machine.
        bucket: Name of the data bucket.
        stack: Name of the stack.
        is_test: Whether the run only verifies the deployment.
    """

    run_id: str
    batch: str | None
    state_machine_arn: str
    bucket: str
    stack: str
    is_test: bool = field(default=False, kw_only=True)

    @property
    def execution_arn(self) -> str:
        """ARN of the execution of the run."""
        return build_execution_arn(self.state_machine_arn, self.run_id)

    @property
    def label(self) -> str:
        """The batch name, such as `2026-11` for `raw/2026-11/`, or else the run ID."""
        return label_run(self.run_id, self.batch or "")


def build_failed_run_email(
    run: RunContext, failure: Failure, details: FailureDetails, published: str
) -> Email:
    """Return the email about a failure that the state machine caught.

    Args:
        run: The failed run.
        failure: The error that the state machine caught.
        details: The details of the failure.
        published: What `FailureDetails.describe_published_run` returned.
    """
    failed_steps = [step.name for step in details.steps if step.state == "FAILED"]
    names = ", ".join(failed_steps)
    location = f"{failure.state}: {names}" if names else failure.state
    steps = f" ({'step' if len(failed_steps) == 1 else 'steps'} {names})" if names else ""
    return _create_email(
        f"Rental KPIs failed: {run.label} ({location})",
        f"failed in state {failure.state}{steps}",
        _find_reasons(failure, details),
        published,
        [
            *(
                _describe_step(step, details.log_tails.get(step.step_id), run.bucket)
                for step in details.steps
            ),
            quote_lines(details.gaps),
            fold(_describe_cluster(details.cluster)),
        ],
        run,
        is_data_error=failure.is_data_error or details.is_input_error,
    )


def build_ended_run_email(
    run: RunContext,
    execution: Execution,
    failure: Failure,
    cluster: str,
    published: str,
    gaps: tuple[str, ...] = (),
) -> Email:
    """Return the email about an execution that could not report its own end.

    The watchdog sends it. It contains no details about the steps of the run.

    Args:
        run: The run of the execution.
        execution: The execution.
        failure: Why the execution ended.
        cluster: A sentence about the cluster.
        published: What `FailureDetails.describe_published_run` returned.
        gaps: A sentence for each detail that could not be read.
    """
    headline, outcome = _OUTCOMES.get(execution.status, _FAILED)
    state_in_subject = f" ({failure.state})" if failure.state else ""
    state_in_sentence = f" in state {failure.state}" if failure.state else ""
    return _create_email(
        f"Rental KPIs {headline}: {run.label}{state_in_subject}",
        f"{outcome}{state_in_sentence}",
        [failure.message],
        published,
        [quote_lines(gaps), fold(cluster)],
        run,
        is_data_error=failure.is_data_error,
    )


def _create_email(
    subject: str,
    outcome: str,
    reasons: list[str],
    published: str,
    details: list[str],
    run: RunContext,
    *,
    is_data_error: bool,
) -> Email:
    batch = f"the run of this batch {outcome}:" if run.batch else f"a run {outcome}."
    body = build_body(
        "\n".join([fold(batch[0].upper() + batch[1:]), *([quote(run.batch)] if run.batch else [])]),
        section("Reason", quote_lines(reasons)),
        section(EFFECT, published or _UNKNOWN_EFFECT),
        section(NEXT_STEPS, *_list_next_steps(run, is_data_error=is_data_error)),
        *details,
        f"Execution: {build_console_url(run.execution_arn)}",
    )
    email = Email(subject, body)
    return email.mark_as_test() if run.is_test else email


def _find_reasons(failure: Failure, details: FailureDetails) -> list[str]:
    """Return the most useful reason: a problem with the input, or else the error and its cause."""
    for step in details.steps:
        tail = details.log_tails.get(step.step_id)
        if tail and tail.is_input_error and tail.lines:
            return [f"{step.name} reported a problem with the input: {tail.lines[-1]}"]
    if details.cluster and details.cluster.failure_reason:
        return [failure.message, f"The cluster failed: {details.cluster.failure_reason}"]
    return [failure.message]


def _describe_step(step: FailedStep, tail: LogTail | None, bucket: str) -> str:
    if step.state != "FAILED":
        return fold(f"Step {step.name} did not complete: {step.state}.")
    exit_code = "" if tail is None or tail.exit_code is None else f", exit code {tail.exit_code}"
    lines = [fold(f"Step {step.name}: {step.state}{exit_code}")]
    if tail is None:
        lines.append(fold("The job's log was not available when this email was sent."))
    elif tail.lines:
        lines += ["Last lines of the job's log:", quote_lines(tail.lines)]
    else:
        lines.append(fold("No messages from the job could be read from its log."))
    if step.reason or step.message:
        lines += ["Reason given by EMR:", quote(f"{step.reason} {step.message}")]
    lines.append(f"Logs: s3://{bucket}/{step.logs_prefix}")
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


def _list_next_steps(run: RunContext, *, is_data_error: bool) -> list[str]:
    if run.is_test:
        return [
            fold("The run only verifies the deployment, so no batch is affected. To repeat it:"),
            build_command("verify", "--stack", run.stack),
        ]
    folder = "the folder of the batch" if run.batch else RAW_PREFIX
    upload = f"upload all four files to {folder}. A new run starts automatically."
    rerun = [build_command("rerun", run.run_id), describe_stack_option(run.stack)]
    if is_data_error:
        return [
            fold(f"Correct the data, and {upload}"),
            fold("To process the same files again anyway:"),
            *rerun,
        ]
    return [
        fold("To process the same files again:"),
        *rerun,
        fold(f"To process other files, {upload}"),
    ]


def next_run_name(run_id: str) -> str:
    """Return the name of the execution that repeats a run: a name can be used only once."""
    match = _REPEATED_RUN.fullmatch(run_id)
    return f"{match['run']}-{int(match['number']) + 1}" if match else f"{run_id}-2"
