"""Sample data: the four input files at any size, clean or with known dirt in them."""

from cli.sample.writing import write_sample

__all__ = ["write_sample"]
