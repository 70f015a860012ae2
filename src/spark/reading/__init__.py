"""Reading of CSV files as rows of raw text."""
