"""Daily batches over a long time, with everything that can go wrong and with retention at work."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, cast

from pipeline.clock import utc_now
from pipeline.intake.batch_intake import BatchIntake, IntakeConfig
from pipeline.intake.receiver import UploadReceiver
from pipeline.intake.uploads import Upload
from pipeline.ledger.batch import order_of_event
from pipeline.recovery.watchdog import PipelineContext, Watchdog
from tests.support.broken_files import VALID_FILES
from tests.support.memory.agenda import Agenda
from tests.support.memory.clients import MemoryAws, MemoryTable
from tests.support.memory.notifications import ExpiringEmailSender
from tests.support.memory.retention import LifecycleRule, apply_lifecycle, expire_items
from tests.support.memory.state_machine import SimulatedStateMachine
from tests.support.pipeline_clock import PipelineClock

_BUCKET = "bucket"
_MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:pipeline"
_INVALID = b"not a CSV file"
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# Each with the share of the events, or of the days, on which it happens.
_LOST, _LATE, _REPEATED = 0.02, 0.02, 0.05
_REJECTED, _CORRECTED, _UPLOADED_AGAIN, _HELD = 0.05, 0.04, 0.04, 0.02
_MAX_LATENESS = timedelta(hours=12)
# The dead-letter queue keeps an event for 14 days after EventBridge and Lambda have given up.
_MAX_TIME_TO_REPEAT = timedelta(days=14)
_MAX_LIFECYCLE_DELAY_DAYS = 3


@dataclass(frozen=True)
class Deployment:
    """What the template configures.

    Attributes:
        parameters: The numbers among the parameters, by name.
        lifecycle_rules: The rules of the bucket with which objects expire.
        sweep_interval: Time between two sweeps of the watchdog.
        search_interval: Time between two searches for lost uploads.
    """

    parameters: Mapping[str, int]
    lifecycle_rules: Sequence[LifecycleRule]
    sweep_interval: timedelta
    search_interval: timedelta


@dataclass
class UploadedBatch:
    """Four files that belong together, or a correction of one file without the others.

    Attributes:
        prefix: The batch prefix.
        day: The number of the day, if it is the batch of a day.
        versions: The valid version of each file that was uploaded.
        run_id: ID of the run. None as long as there is none.
        is_prompt: Whether all files are uploaded on the same day.
    """

    prefix: str
    day: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    run_id: str | None = None
    is_prompt: bool = True


class Year:
    """A pipeline that processes one batch a day.

    Attributes:
        batches: Every batch that was uploaded.
        violations: The promises that were broken.
        counts: How often each thing happened.
        peaks: The greatest size of everything that could grow.
    """

    def __init__(
        self,
        clock: type[PipelineClock],
        deployment: Deployment,
        random: Random,
        *,
        has_own_folders: bool,
    ) -> None:
        """Create the pipeline.

        Args:
            clock: The clock of the pipeline.
            deployment: What the template configures.
            random: The source of random numbers.
            has_own_folders: Whether each day has its own folder. Otherwise, all files are uploaded
                to `raw/`, where each day overwrites those of the day before.
        """
        self.batches: list[UploadedBatch] = []
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.peaks: Counter[str] = Counter()
        self._deployment = deployment
        self._random = random
        self._has_own_folders = has_own_folders
        self._sequencer = 0
        self._changed_folders: set[str] = set()
        retention = timedelta(days=deployment.parameters["LedgerRetentionDays"])
        self.agenda = Agenda(clock)
        self.aws = MemoryAws(self._on_call)
        self.table = MemoryTable(lambda _: None)
        self.emails = ExpiringEmailSender(self.table, retention)
        self.state_machine = SimulatedStateMachine(
            self.agenda,
            self.table,
            self.emails,
            retention,
            lambda run: self._create_watchdog().continue_after(run).raise_on_problems(),
            random,
        )
        self.agenda.repeat(deployment.sweep_interval, self._sweep)
        self.agenda.repeat(deployment.search_interval, self._search)
        self.agenda.repeat(_HOUR, lambda: expire_items(self.table, self.agenda.now))
        self.agenda.repeat(_DAY, self._apply_lifecycle)

    def run(self, days: int, *, with_batches: bool = True) -> None:
        """Let days pass, and check the state of the pipeline at the end of each day.

        Args:
            days: Number of days.
            with_batches: Whether somebody uploads batches.
        """
        for day in range(days):
            if with_batches:
                self.agenda.add(2 * _HOUR, partial(self._upload_batch_of, day))
                if self._has_own_folders:
                    self._plan_changes_of_old_folders()
            self.agenda.run_until(self.agenda.now + _DAY)
            self._check_state()

    # Uploads

    def _upload_batch_of(self, day: int) -> None:
        prefix = f"raw/{self.agenda.now:%Y-%m-%d}/" if self._has_own_folders else "raw/"
        is_slow = self._has_own_folders and self._random.random() < _HELD
        self._upload_files(UploadedBatch(prefix, day), is_slow=is_slow)

    def _plan_changes_of_old_folders(self) -> None:
        """Correct one file of an old batch, or upload all its files again."""
        old = [b.prefix for b in self.batches if b.run_id and b.prefix not in self._changed_folders]
        if not old:
            return
        prefix = self._random.choice(old)
        number = self._random.random()
        if number < _CORRECTED + _UPLOADED_AGAIN:
            self._changed_folders.add(prefix)
        if number < _CORRECTED:
            file = self._random.choice(list(VALID_FILES))
            correction = UploadedBatch(prefix)
            self.batches.append(correction)
            self.agenda.add(12 * _HOUR, partial(self._upload, correction, file))
            self.counts["corrections of one file in an old folder"] += 1
        elif number < _CORRECTED + _UPLOADED_AGAIN:
            self.agenda.add(12 * _HOUR, partial(self._upload_files, UploadedBatch(prefix)))
            self.counts["old folders uploaded again"] += 1

    def _upload_files(self, batch: UploadedBatch, *, is_slow: bool = False) -> None:
        """Upload four files in random order.

        Args:
            batch: The batch.
            is_slow: Whether the files after the first one are uploaded more than a day later, so
                that the batch is held. A person starts it some weeks later.
        """
        self.batches.append(batch)
        files = self._random.sample(list(VALID_FILES), len(VALID_FILES))
        rejected = self._random.choice(files) if self._random.random() < _REJECTED else None
        for number, file in enumerate(files):
            delay = number * self._random.uniform(0, 10) * _MINUTE
            if is_slow and number > 0:
                delay += timedelta(hours=30)
            if file == rejected:
                self.agenda.add(delay, partial(self._reject, f"{batch.prefix}{file}"))
                delay += _HOUR
            self.agenda.add(delay, partial(self._upload, batch, file))
        if is_slow:
            batch.is_prompt = False
            start = timedelta(days=self._random.uniform(2, 40))
            self.agenda.add(start, lambda: self._create_watchdog().start_batch(batch.prefix))
            self.counts["batches with uploads far apart"] += 1

    def _upload(self, batch: UploadedBatch, file: str) -> None:
        key = f"{batch.prefix}{file}"
        batch.versions[file] = self.aws.s3.put(key, VALID_FILES[file])
        self._announce(key, batch.versions[file])

    def _reject(self, key: str) -> None:
        self._announce(key, self.aws.s3.put(key, _INVALID))
        self.counts["rejected uploads"] += 1

    def _announce(self, key: str, version: str) -> None:
        """Deliver the event of an upload: soon, late, more than once, or never."""
        self._sequencer += 1
        order = order_of_event(f"{self._sequencer:08X}")
        upload = Upload(_BUCKET, key, 1, version, order, utc_now())
        delay = timedelta(seconds=self._random.uniform(1, 5))
        number = self._random.random()
        self.counts["uploads"] += 1
        if number < _LOST:
            self.counts["lost events"] += 1
            return
        if number < _LOST + _LATE:
            delay = self._random.random() * _MAX_LATENESS
            self.counts["late events"] += 1
        self.agenda.add(delay, partial(self._receive, upload))
        if self._random.random() < _REPEATED:
            later = delay + self._random.random() * _MAX_TIME_TO_REPEAT
            self.agenda.add(later, partial(self._receive, upload))
            self.counts["repeated events"] += 1

    # The functions of the pipeline

    def _create_intake(self) -> BatchIntake:
        parameters = self._deployment.parameters
        config = IntakeConfig(
            _BUCKET,
            _MACHINE,
            parameters["MaxConcurrentRuns"],
            timedelta(hours=parameters["MaxUploadSpreadHours"]),
            "watchdog",
        )
        return BatchIntake(cast(Any, self.aws), self.table, cast(Any, self.emails), config)

    def _receive(self, upload: Upload) -> None:
        intake = self._create_intake()
        emails = cast(Any, self.emails)
        UploadReceiver(intake.recorder, intake.claimer, intake.run_starter, emails).receive(upload)

    def _create_watchdog(self) -> Watchdog:
        parameters = self._deployment.parameters
        pipeline = PipelineContext(
            "stack",
            _BUCKET,
            _MACHINE,
            "topic",
            self.table,
            timedelta(days=parameters["LedgerRetentionDays"]),
            parameters["IncompleteBatchHours"],
        )
        emails = cast(Any, self.emails)
        return Watchdog(cast(Any, self.aws), pipeline, self._create_intake(), emails)

    def _sweep(self) -> None:
        self._create_watchdog().sweep().raise_on_problems()
        self.counts["sweeps"] += 1

    def _search(self) -> None:
        self._create_watchdog().recover_lost_uploads().raise_on_problems()

    def _on_call(self, operation: str) -> None:
        if operation == "StartExecution":
            self.state_machine.begin_new(self.aws.stepfunctions)
            self._check_new_runs()

    def _apply_lifecycle(self) -> None:
        late = timedelta(days=self._random.randrange(_MAX_LIFECYCLE_DELAY_DAYS))
        for s3 in (self.aws.s3, self.state_machine.outputs):
            apply_lifecycle(s3, self._deployment.lifecycle_rules, self.agenda.now - late)

    # Checks

    def _check_new_runs(self) -> None:
        """Check that each new run consists of four files that were uploaded together."""
        for execution in list(self.aws.stepfunctions.executions.values()):
            run = json.loads(execution["input"])
            versions = {file["version_id"] for file in run["files"]}
            matching = [b for b in self.batches if set(b.versions.values()) == versions]
            if len(matching) != 1:
                self.violations.append(f"{execution['name']} does not consist of one batch")
            elif matching[0].run_id not in (None, execution["name"]):
                self.violations.append(f"{execution['name']} is the second run of its batch")
            else:
                matching[0].run_id = execution["name"]

    def _check_state(self) -> None:
        """Check that nothing is open except the batches that wait for somebody."""
        waiting = {batch.prefix for batch in self.batches if self._is_waiting(batch)}
        open_items = {item["id"] for item in self.table.items.values() if "open" in item}
        if open_items != {f"batch/{prefix}" for prefix in waiting}:
            self.violations.append(f"{utc_now()}: {waiting} wait, but {open_items} are open")
        if slots := self.table.get("run_slots").get("runs"):
            self.violations.append(f"{utc_now()}: {slots} have a slot, but nothing is running")
        for key, item in self.table.items.items():
            is_permanent = key in {"run_slots", "subscription", "incomplete_report", *open_items}
            if not (is_permanent or "expiration" in item):
                self.violations.append(f"{utc_now()}: {key} never expires")
            self._record_peak("bytes of the largest ledger item", len(repr(item)))
        self._record_peak("ledger items", len(self.table.items))
        self._record_peak("open ledger items", len(open_items))
        self._record_peak("open batches", len(waiting))
        for s3 in (self.aws.s3, self.state_machine.outputs):
            folders = Counter[str]()
            for key, versions in s3.objects.items():
                folders[key.partition("/")[0]] += len(versions)
            for folder, number in folders.items():
                self._record_peak(f"versions in {folder}/", number)

    def _is_waiting(self, batch: UploadedBatch) -> bool:
        """Return whether a batch has no run yet, and S3 still has a file of it."""
        return batch.run_id is None and any(
            self.aws.s3.objects.get(f"{batch.prefix}{file}", [])[-1:]
            and self.aws.s3.objects[f"{batch.prefix}{file}"][-1].version_id == version
            for file, version in batch.versions.items()
        )

    def _record_peak(self, name: str, value: int) -> None:
        self.peaks[name] = max(self.peaks[name], value)
