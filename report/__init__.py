"""The report of a run: one self-contained HTML page, built from the answers to queries."""
