"""What the data contract says must come out, worked out without a line of the pipeline's code."""

from .compute import Expected, expected
from .contract import RefusedFileError

__all__ = ["Expected", "RefusedFileError", "expected"]
