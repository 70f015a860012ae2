"""The pipeline's own errors; their names are what the state machine and its log show."""

from __future__ import annotations


class PipelineError(Exception):
    """The root of all below. It is permanent unless it is a `RetryableError`."""


class RetryableError(PipelineError):
    """Something temporary stands in the way: the same call may succeed a little later."""


class SettingsError(PipelineError):
    """The function's environment lacks something or holds something unusable."""


class InvalidEventError(PipelineError):
    """The input of a function lacks a field or has an invalid one."""


class UnreadableUploadError(PipelineError):
    """An uploaded file is there and cannot be read: it is archived, or its key is not ours."""


class InvalidPointerError(PipelineError):
    """The object that shows a run to readers is none that the pipeline wrote, and names no run."""


class InputMissingError(PipelineError):
    """A file version that the run was made of is no longer in the bucket."""


class RunRejectedError(PipelineError):
    """The run's own figures say that it must not be published."""


class QueryFailedError(PipelineError):
    """Athena ended a query as failed or cancelled, for a reason that will not pass."""
