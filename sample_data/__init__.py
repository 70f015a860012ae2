"""Sample data: the four input files at any size, clean or with known dirt in them."""

from sample_data.writer import write_sample

__all__ = ["write_sample"]
