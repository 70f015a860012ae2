"""Recovery: reports failed runs, and completes what was interrupted or forgotten."""
