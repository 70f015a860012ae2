"""The oracle: an independent implementation of the data contract.

It shares no code with the pipeline, so that tests can compare the jobs with it.
"""

from .compute import Expected, compute_expected
from .contract import RejectedFileError

__all__ = ["Expected", "RejectedFileError", "compute_expected"]
