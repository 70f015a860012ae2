"""What can be found out about a failed run: its cluster, the steps that failed, the jobs' words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_result, stop_before_delay, wait_fixed

from pipeline.aws.clients import error_code
from pipeline.aws.emr_clusters import Cluster, describe_cluster
from pipeline.aws.emr_steps import FailedStep, LogTail, list_failed_steps, read_log_tail
from pipeline.errors import InvalidPointerError
from pipeline.publication.pointer import published_run_id

_LOOK_EVERY_SECONDS = 10


@dataclass
class FailureDetails:
    """What was found; `gaps` says in words what was not.

    `words` has an entry for each failed step whose log is there, by the step's id; `awaited` are
    the steps whose log may come, or grow, in a while.
    """

    cluster: Cluster | None = None
    steps: list[FailedStep] = field(default_factory=list)
    words: dict[str, LogTail] = field(default_factory=dict)
    awaited: list[FailedStep] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    @property
    def is_input_error(self) -> bool:
        """Whether a job ended because of its input."""
        return any(words.is_input_error for words in self.words.values())

    @contextmanager
    def looking_at(self, what: str) -> Iterator[None]:
        """Go on without what AWS does not tell: the mail matters more than its details."""
        try:
            yield
        except ClientError as error:
            self.gaps.append(f"{what} could not be read ({error_code(error)}).")
        except (BotoCoreError, InvalidPointerError) as error:
            self.gaps.append(f"{what} could not be read ({type(error).__name__}).")

    def describe_published_run(self, bucket: str, run_id: str) -> str:
        """A sentence on what became of the published tables; empty, and a gap, if it is unknown."""
        with self.looking_at("Which run readers see"):
            shown = published_run_id(bucket)
            if shown == run_id:
                return (
                    "It failed after its results were ready: the pointer names this run already, so"
                    " readers may see its tables."
                )
            if shown is None:
                return "Nothing was published, and no earlier run was either."
            return f"Nothing was published: readers still see the run {shown}."
        return ""


def collect_failure_details(bucket: str, cluster_id: str, patience: float) -> FailureDetails:
    """Look at the cluster until the logs of its failed steps are there, so many seconds at most.

    EMR puts logs into the bucket every five minutes and when the cluster ends, so they come late.
    """
    evidence: FailureDetails = Retrying(
        retry=retry_if_result(lambda found: bool(found.awaited)),
        wait=wait_fixed(_LOOK_EVERY_SECONDS),
        stop=stop_before_delay(patience),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )(_look, bucket, cluster_id)
    return evidence


def _look(bucket: str, cluster_id: str) -> FailureDetails:
    found = FailureDetails()
    with found.looking_at(f"The cluster {cluster_id}"):
        found.cluster = describe_cluster(cluster_id)
    with found.looking_at(f"The steps of the cluster {cluster_id}"):
        found.steps = list_failed_steps(cluster_id)
    for step in found.steps:
        # One that was cancelled did nothing wrong, and may have no log at all.
        if step.state == "FAILED":
            with found.looking_at(f"The log of the step {step.name}"):
                _look_at_log(found, bucket, step)
    return found


def _look_at_log(found: FailureDetails, bucket: str, step: FailedStep) -> None:
    words = read_log_tail(bucket, step)
    if words is not None:
        found.words[step.step_id] = words
    # While the cluster is up, the log may be there and lack its end.
    is_whole = words is not None and words.exit_code is not None
    has_ended = found.cluster is not None and not found.cluster.is_active
    if words is None or not (is_whole or has_ended):
        found.awaited.append(step)
