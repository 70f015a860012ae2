"""From CSV files to rows of raw text."""
