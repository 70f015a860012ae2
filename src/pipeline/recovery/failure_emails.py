"""What people are told about a run that ended without results."""

from __future__ import annotations

import re

from contract.layout import RAW_PREFIX
from pipeline.aws.emr_clusters import Cluster
from pipeline.aws.emr_steps import FailedStep, LogTail
from pipeline.aws.executions import Execution, console_link, execution_arn
from pipeline.notifications.emails import Email
from pipeline.recovery.failure_details import FailureDetails
from pipeline.recovery.failures import Failure

_RERUN = re.compile(r"(?P<run>.+-[0-9a-f]{20})-(?P<number>\d+)")
_HEADLINES = {"ABORTED": "stopped", "TIMED_OUT": "timed out"}


def run_ended_key(run_id: str) -> str:
    """The mail's cause: one for every way to hear of the run's end, so that one mail goes out."""
    return f"ended {run_id}"


def failed_run_email(
    run_id: str,
    batch: str | None,
    state_machine_arn: str,
    failure: Failure,
    evidence: FailureDetails,
    bucket: str,
    published: str,
) -> Email:
    """What the state machine caught, and what was found out; `published` is a sentence or empty."""
    jobs = ", ".join(step.name for step in evidence.steps if step.state == "FAILED")
    where = f"{failure.state}: {jobs}" if jobs else failure.state
    paragraphs = [
        f"The run {run_id} of {_batch(batch)} failed at {where}.",
        _what_failed(failure, evidence),
        *(_step(step, evidence.words.get(step.step_id), bucket) for step in evidence.steps),
        *evidence.gaps,
        published,
        _cluster_of(evidence.cluster),
    ]
    is_of_data = failure.is_of_data or evidence.is_input_error
    return _mail(
        f"Rental KPIs failed: {_label(run_id, batch)} ({where})",
        paragraphs,
        _what_to_do(run_id, batch, state_machine_arn, is_of_data=is_of_data),
        execution_arn(state_machine_arn, run_id),
    )


def ended_run_email(
    execution: Execution,
    batch: str | None,
    state_machine_arn: str,
    failure: Failure,
    cluster: str,
    published: str,
) -> Email:
    """An execution that could not say by itself why it ended; `cluster` is a sentence on its own.

    The watchdog sends this; of the steps it knows nothing.
    """
    headline = _HEADLINES.get(execution.status, "failed")
    where = f" ({failure.state})" if failure.state else ""
    paragraphs = [
        f"The run {execution.run_id} of {_batch(batch)} ended without results: {headline}{where}.",
        failure.message,
        published,
        cluster,
    ]
    return _mail(
        f"Rental KPIs {headline}: {_label(execution.run_id, batch)}{where}",
        paragraphs,
        _what_to_do(execution.run_id, batch, state_machine_arn, is_of_data=failure.is_of_data),
        execution.arn,
    )


def _mail(subject: str, paragraphs: list[str], to_do: str, arn: str) -> Email:
    told = [*(text for text in paragraphs if text), to_do, f"The execution: {console_link(arn)}"]
    return Email(subject, "\n\n".join(told) + "\n")


def _batch(batch: str | None) -> str:
    return f"the batch {batch}" if batch else "an unknown batch"


def _label(run_id: str, batch: str | None) -> str:
    """The batch as people call it: `2026-11` for `raw/2026-11/`."""
    return batch.strip("/").rpartition("/")[2] if batch else run_id


def _what_failed(failure: Failure, evidence: FailureDetails) -> str:
    """The first thing to know: what the user has to mend, or what broke."""
    for step in evidence.steps:
        words = evidence.words.get(step.step_id)
        if words and words.is_input_error and words.lines:
            return f"{step.name} found something for you to mend: {words.lines[-1]}"
    if evidence.cluster and evidence.cluster.failure_reason:
        return f"{failure.message} The cluster failed by itself: {evidence.cluster.failure_reason}"
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


def _what_to_do(run_id: str, batch: str | None, state_machine_arn: str, *, is_of_data: bool) -> str:
    again = (
        f"aws stepfunctions start-execution \\\n  --state-machine-arn {state_machine_arn} \\\n"
        f"  --name {next_run_name(run_id)} \\\n"
        '  --input "$(aws stepfunctions describe-execution \\\n'
        f"    --execution-arn {execution_arn(state_machine_arn, run_id)} \\\n"
        '    --query input --output text)"'
    )
    drop = f"drop all four files, corrected, into {batch or RAW_PREFIX}: a new run starts by itself"
    if is_of_data:
        return f"To mend the data, {drop}. To run the same files again all the same:\n\n{again}"
    return f"To run the batch again, from the same files:\n\n{again}\n\nTo run other files, {drop}."


def next_run_name(run_id: str) -> str:
    """The name to run a run's input again under: an execution's name is used once."""
    rerun = _RERUN.fullmatch(run_id)
    return f"{rerun['run']}-{int(rerun['number']) + 1}" if rerun else f"{run_id}-2"
