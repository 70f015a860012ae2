"""Random histories of uploads, events, and crashes, checked against a model of what S3 holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any, cast

from pipeline.aws.executions import parse_execution
from pipeline.intake.batch_intake import BatchIntake, IntakeConfig
from pipeline.intake.receiver import UploadReceiver
from pipeline.intake.uploads import Upload
from pipeline.ledger.batch import order_of_event
from pipeline.recovery.watchdog import PipelineContext, Watchdog
from tests.support.aws_calls import Crash
from tests.support.broken_files import VALID_FILES
from tests.support.memory.bucket_model import KEYS, PREFIXES, BucketModel
from tests.support.memory.clients import MemoryAws, MemoryEmailSender, MemoryTable

_BUCKET = "bucket"
_MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:pipeline"
_RETENTION = timedelta(days=90)

_CRASH_SHARE = 0.2  # of the invocations
_MAX_CALLS_BEFORE_CRASH = 20
_RETRY_SHARE = 0.5  # of the crashed invocations
_INTERLEAVING_SHARE = 0.03  # of the calls; another step happens at the same time
_DELIVERY_SHARE = 0.7  # of the events that are left at the end, and of the ends of runs
_MAX_DEPTH = 3


class History:
    """One random history. Each step changes S3, delivers an event, or lets time pass.

    Attributes:
        violations: The promises that were broken.
        counts: How often each thing happened.
    """

    def __init__(self, seed: int) -> None:
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self._random = Random(seed)
        self._max_runs = 1 + seed % 3
        self._aws = MemoryAws(self._on_call)
        self._table = MemoryTable(self._on_call)
        self._emails = MemoryEmailSender(self._on_call)
        self._bucket = BucketModel(self._aws.s3, self._random)
        self._now = 0
        self._pending: list[Upload] = []
        self._running: list[str] = []
        self._claimed: set[str] = set()
        self._is_settling = False
        # For each invocation in progress: its start, and the calls that are left until it crashes.
        self._invocations: list[list[int]] = []

    def run(self, steps: int) -> None:
        """Carry out random steps, let the system come to rest, and check the result."""
        for _ in range(steps):
            self._take_step()
        self._settle()
        self._check_final_state()

    def _take_step(self) -> None:
        steps: dict[Callable[[], None], int] = {
            self._upload_file: 6,
            self._upload_batch: 3,
            self._delete: 2,
            self._deliver: 12,
            self._repeat_event: 2,
            self._lose_event: 1,
            self._sweep: 2,
            self._end_run: 2,
        }
        (step,) = self._random.choices(list(steps), list(steps.values()))
        step()

    def _upload_file(self) -> None:
        self._upload(self._random.choice(KEYS))

    def _upload_batch(self) -> None:
        prefix = self._random.choice(PREFIXES)
        for file in self._random.sample(list(VALID_FILES), len(VALID_FILES)):
            self._upload(f"{prefix}{file}")

    def _upload(self, key: str) -> None:
        self._now += 1
        version = self._bucket.upload(key, self._now)
        order = order_of_event(f"{self._now:08X}")
        self._pending.append(Upload(_BUCKET, key, 1, version, order, "2026-11-25T08:00:00Z"))
        self.counts["uploads"] += 1

    def _delete(self) -> None:
        self._now += 1
        self._bucket.delete(self._now)
        self.counts["deletions"] += 1

    def _deliver(self) -> None:
        if self._pending:
            self._receive(self._pending.pop(self._random.randrange(len(self._pending))))

    def _repeat_event(self) -> None:
        if self._pending:
            self._receive(self._random.choice(self._pending))
            self.counts["repeated events"] += 1

    def _lose_event(self) -> None:
        if self._pending:
            self._pending.pop(self._random.randrange(len(self._pending)))
            self.counts["lost events"] += 1

    def _sweep(self) -> None:
        self._invoke(lambda: self._create_watchdog().sweep().raise_on_problems())

    def _end_run(self) -> None:
        if not self._running:
            return
        arn = self._running.pop(self._random.randrange(len(self._running)))
        execution = self._aws.stepfunctions.executions[arn]
        execution["status"] = "SUCCEEDED"
        if self._random.random() < _DELIVERY_SHARE:
            ended = parse_execution(execution)
            self._invoke(lambda: self._create_watchdog().continue_after(ended).raise_on_problems())

    def _receive(self, upload: Upload) -> None:
        self._invoke(lambda: self._create_receiver().receive(upload))

    def _create_intake(self) -> BatchIntake:
        day = timedelta(hours=24)
        config = IntakeConfig(_BUCKET, _MACHINE, self._max_runs, day, "watchdog")
        return BatchIntake(cast(Any, self._aws), self._table, cast(Any, self._emails), config)

    def _create_receiver(self) -> UploadReceiver:
        intake = self._create_intake()
        return UploadReceiver(
            intake.recorder, intake.claimer, intake.run_starter, cast(Any, self._emails)
        )

    def _create_watchdog(self) -> Watchdog:
        pipeline = PipelineContext("s", _BUCKET, _MACHINE, "topic", self._table, _RETENTION, 24)
        emails = cast(Any, self._emails)
        return Watchdog(cast(Any, self._aws), pipeline, self._create_intake(), emails)

    def _invoke(self, function: Callable[[], object]) -> None:
        """Invoke a function, which crashes sometimes, and is invoked again sometimes."""
        for _ in range(2):
            crashes = not self._is_settling and self._random.random() < _CRASH_SHARE
            calls_left = self._random.randrange(1, _MAX_CALLS_BEFORE_CRASH) if crashes else 0
            self._invocations.append([self._now, calls_left])
            self.counts["invocations"] += 1
            try:
                function()
            except Crash:
                self.counts["crashes"] += 1
                if self._random.random() < _RETRY_SHARE:
                    continue
            finally:
                self._invocations.pop()
            return

    def _on_call(self, operation: str) -> None:
        """Observe a call after it has taken effect. Other steps can happen before it returns."""
        if not self._invocations:
            return
        self._now += 1
        if operation == "StartExecution":
            self._check_starts()
        self._check_claims()
        invocation = self._invocations[-1]
        if invocation[1] > 0:
            invocation[1] -= 1
            if invocation[1] == 0:
                raise Crash
        can_interleave = not self._is_settling and len(self._invocations) < _MAX_DEPTH
        if can_interleave and self._random.random() < _INTERLEAVING_SHARE:
            self.counts["interleaved steps"] += 1
            self._take_step()

    def _check_starts(self) -> None:
        for arn, execution in self._aws.stepfunctions.executions.items():
            if execution["status"] == "RUNNING" and arn not in self._running:
                self._running.append(arn)
        if len(self._running) > self._max_runs:
            self.violations.append(f"{len(self._running)} runs are in progress")

    def _check_claims(self) -> None:
        """Check each run when it is claimed: it uses only versions that S3 had at that time."""
        for item in list(self._table.items.values()):
            for run_id, run in item.get("claimed_runs", {}).items():
                for file in run["files"]:
                    self._check_claimed_file(run_id, file["key"], file["version_id"])

    def _check_claimed_file(self, run_id: str, key: str, version: str) -> None:
        if f"{run_id} {version}" in self._claimed:
            return
        start = self._invocations[-1][0]
        if version not in self._bucket.files[key].usable_between(start, self._now):
            self.violations.append(f"{key}: run {run_id} uses {version}, which is outdated")
        if any(claimed.endswith(f" {version}") for claimed in self._claimed):
            self.violations.append(f"{key}: {version} is part of two runs")
        self._claimed.add(f"{run_id} {version}")

    def _settle(self) -> None:
        """Let the system come to rest: no more crashes, and enough sweeps."""
        self._is_settling = True
        for upload in self._pending:
            if self._random.random() < _DELIVERY_SHARE:
                self._receive(upload)
        while True:
            self._invoke(lambda: self._create_watchdog().recover_lost_uploads().raise_on_problems())
            self._sweep()
            if not self._running:
                break
            while self._running:
                self._end_run()
        self._sweep()
        self._sweep()

    def _check_final_state(self) -> None:
        claimed_versions = {claimed.rpartition(" ")[2] for claimed in self._claimed}
        batches = self._create_intake().batches
        for prefix in PREFIXES:
            batch = batches.get_batch(prefix)
            current = [self._bucket.files[f"{prefix}{file}"].current for file in VALID_FILES]
            if all(file and file[1] and file[0] not in claimed_versions for file in current):
                self.violations.append(f"{prefix}: a complete batch was never claimed")
            if batch.claimed_runs:
                self.violations.append(f"{prefix}: a claimed run was never started")
            for file in current:
                if file and not file[1] and file[0] not in batch.last_rejected.values():
                    self.violations.append(f"{prefix}: the invalid {file[0]} was not reported")
        runs = {claimed.partition(" ")[0] for claimed in self._claimed}
        executions = {e["name"] for e in self._aws.stepfunctions.executions.values()}
        if runs != executions:
            self.violations.append(f"claimed runs and executions differ: {runs ^ executions}")
        if slots := self._table.get("run_slots").get("runs"):
            self.violations.append(f"slots are still taken: {sorted(slots)}")
        self.counts["runs"] += len(runs)
