"""Errors of the pipeline. The state machine and the logs show their names."""

from __future__ import annotations


class PipelineError(Exception):
    """Base class of the pipeline's errors. They are permanent, except for `RetryableError`."""


class RetryableError(PipelineError):
    """A temporary problem: the same call may succeed later."""


class SettingsError(PipelineError):
    """An environment variable of the function is missing or invalid."""


class InvalidEventError(PipelineError):
    """A field in the input of a function is missing or invalid."""


class UnreadableUploadError(PipelineError):
    """An upload exists but cannot be read: it is archived, or encrypted with a different key."""


class InvalidPublicationRecordError(PipelineError):
    """A publication record among the newest ones does not name a run, or its time is invalid."""


class InputMissingError(PipelineError):
    """A file version of the run is no longer in the bucket."""


class RunRejectedError(PipelineError):
    """The run must not be published because of its counts."""


class QueryFailedError(PipelineError):
    """A query in Athena failed or was canceled for a permanent reason."""
