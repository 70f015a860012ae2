"""Read CSV files as rows of raw text."""
