"""Sample data: the four input files at any size, valid or with deliberate errors."""

from sample_data.writer import write_sample

__all__ = ["write_sample"]
