"""The inputs of the functions, as typed and validated events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from contract.datasets import DATASETS
from contract.layout import is_run_id
from pipeline.errors import InvalidEventError
from pipeline.ledger.batch import FileVersion, Run
from pipeline.recovery.failures import Failure

T = TypeVar("T")

_DATASET_NAMES = [dataset.name for dataset in DATASETS]


@dataclass(frozen=True)
class ObjectCreatedEvent:
    """The event "Object Created" of Amazon S3, the input of `receive_upload`.

    Importing the event classes of Powertools would take longer than importing all of this project.

    Attributes:
        key: Key of the object. EventBridge does not encode it, so a plus sign is part of the key.
        size: Size of the object in bytes.
        version_id: Version of the object. None if the event does not name it.
        sequencer: Position of the version among those of its key.
        time: Time of the event, ISO 8601.
    """

    key: str
    size: int
    version_id: str | None
    sequencer: str
    time: str

    @classmethod
    def from_event(cls, event: Any) -> ObjectCreatedEvent:
        """Parse an event (Amazon S3 User Guide, "EventBridge event message structure").

        Raises:
            InvalidEventError: A field is missing or invalid.
        """
        fields = _Fields(event)
        created = fields.get_object("detail").get_object("object")
        return cls(
            created.get_text("key"),
            created.get_size("size"),
            created.get_optional_text("version-id"),
            created.get_text("sequencer"),
            fields.get_text("time"),
        )


@dataclass(frozen=True)
class WatchdogEvent:
    """The input of `watchdog`: an event of EventBridge, or a request in the same form.

    Attributes:
        detail_type: What kind of event it is. None if the event does not say it.
        detail: The fields of the event that depend on its kind.
    """

    detail_type: str | None
    detail: Mapping[str, Any]

    @classmethod
    def from_event(cls, event: Any) -> WatchdogEvent:
        """Parse an event. Unknown kinds are valid.

        Raises:
            InvalidEventError: A field is invalid.
        """
        fields = _Fields(event)
        detail = fields.get("detail", dict) if "detail" in event else {}
        return cls(fields.get_optional_text("detail-type"), detail)


@dataclass(frozen=True)
class PinInputsEvent:
    """The input of `pin_inputs`.

    Attributes:
        run_id: ID of the run.
        batch: Prefix of the batch.
        files: One version of each dataset.
    """

    run_id: str
    batch: str
    files: tuple[FileVersion, ...]

    @classmethod
    def from_event(cls, event: Any) -> PinInputsEvent:
        """Parse an event.

        Raises:
            InvalidEventError: A field is missing or invalid.
        """
        fields = _Fields(event)
        return cls(fields.get_run_id(), fields.get_text("batch"), _parse_files(fields))


@dataclass(frozen=True)
class CheckRunEvent:
    """The input of `check_run`: the ID of the run, and the prefix of its batch."""

    run_id: str
    batch: str

    @classmethod
    def from_event(cls, event: Any) -> CheckRunEvent:
        """Parse an event.

        Raises:
            InvalidEventError: A field is missing or invalid.
        """
        fields = _Fields(event)
        return cls(fields.get_run_id(), fields.get_text("batch"))


@dataclass(frozen=True)
class PublishResultsEvent:
    """The input of `publish_results`.

    Attributes:
        run: The run to publish.
        personal_data: Whether the jobs of the run wrote personal data.
        publish: Whether readers may see the run.
    """

    run: Run
    personal_data: bool
    publish: bool = True

    @classmethod
    def from_event(cls, event: Any) -> PublishResultsEvent:
        """Parse an event.

        Raises:
            InvalidEventError: A field is missing or invalid.
        """
        fields = _Fields(event)
        run = Run(
            fields.get_run_id(),
            fields.get_text("batch"),
            fields.get_text("claimed_at"),
            _parse_files(fields),
        )
        return cls(run, fields.get("personal_data", bool), fields.get_flag("publish", default=True))


@dataclass(frozen=True)
class ReportFailureEvent:
    """The input of `report_failure`.

    It accepts any run ID, because the failure may be that the run ID is invalid.

    Attributes:
        run_id: ID of the run.
        batch: Prefix of the batch. None if the run failed before its input was read.
        cluster_id: ID of the cluster. None if the run failed before it had one.
        failure: What the state machine caught.
        publish: Whether readers would have seen the run.
    """

    run_id: str
    batch: str | None
    cluster_id: str | None
    failure: Failure
    publish: bool = True

    @classmethod
    def from_event(cls, event: Any) -> ReportFailureEvent:
        """Parse an event.

        Raises:
            InvalidEventError: A field is missing or invalid.
        """
        fields = _Fields(event)
        failure = fields.get("failure", dict)
        return cls(
            fields.get_text("run_id"),
            fields.get_optional_text("batch"),
            fields.get_optional_text("cluster_id"),
            # Not validated: every failure must be reported, whatever the state machine caught.
            Failure(*(str(failure.get(name) or "") for name in ("state", "error", "cause"))),
            fields.get_flag("publish", default=True),
        )


class _Fields:
    """The fields of an event, or of an object within it. Errors name the field by its path."""

    def __init__(self, value: Any, path: str = "") -> None:
        if not isinstance(value, Mapping):
            name = path.rstrip(".") or "the event"
            raise InvalidEventError(f"{name} must be an object, but it is {value!r}")
        self._value = value
        self._path = path

    def get(self, name: str, expected_type: type[T]) -> T:
        """Return a field that must have exactly this type."""
        if name not in self._value:
            raise InvalidEventError(f"the field {self._path + name!r} is missing")
        value = self._value[name]
        if type(value) is not expected_type:
            raise self._invalid(name, f"must be of type {expected_type.__name__}")
        return value

    def get_object(self, name: str) -> _Fields:
        """Return the fields of an object."""
        return _Fields(self.get(name, dict), f"{self._path}{name}.")

    def get_text(self, name: str) -> str:
        """Return a string that must not be empty."""
        text = self.get(name, str)
        if not text:
            raise self._invalid(name, "must not be empty")
        return text

    def get_optional_text(self, name: str) -> str | None:
        """Return a string, or None if it is missing, null, or empty."""
        if self._value.get(name) is None:
            return None
        return self.get(name, str) or None

    def get_flag(self, name: str, *, default: bool) -> bool:
        """Return a boolean, or the default if it is missing.

        An execution keeps the definition of the state machine with which it started, so one that
        started before an update of the stack does not send a new field.
        """
        return self.get(name, bool) if name in self._value else default

    def get_size(self, name: str) -> int:
        """Return a size in bytes."""
        value = self._value.get(name)
        # JSON does not distinguish 1 from 1.0.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        else:
            value = self.get(name, int)
        if value < 0:
            raise self._invalid(name, "must not be negative")
        return value

    def get_run_id(self) -> str:
        """Return the run ID, which must be valid because it is part of keys in the bucket."""
        run_id = self.get_text("run_id")
        if not is_run_id(run_id):
            raise self._invalid("run_id", "must be a valid run ID")
        return run_id

    def _invalid(self, name: str, problem: str) -> InvalidEventError:
        value = self._value[name]
        return InvalidEventError(f"the field {self._path + name!r} {problem}, but it is {value!r}")


def _parse_files(fields: _Fields) -> tuple[FileVersion, ...]:
    entries = [
        _Fields(entry, f"files[{index}].") for index, entry in enumerate(fields.get("files", list))
    ]
    files = tuple(map(_parse_file, entries))
    names = [file.dataset for file in files]
    if sorted(names) != sorted(_DATASET_NAMES):
        raise InvalidEventError(
            f"the field 'files' must contain one file for each of {', '.join(_DATASET_NAMES)}, but"
            f" it contains {', '.join(sorted(names)) or 'none'}"
        )
    return files


def _parse_file(fields: _Fields) -> FileVersion:
    warnings = fields.get("warnings", list)
    return FileVersion(
        fields.get_text("dataset"),
        fields.get_text("key"),
        fields.get_text("version_id"),
        fields.get_size("size"),
        warnings=tuple(map(str, warnings)),
    )
