"""Recovery: reports failed runs and incomplete batches, and completes interrupted runs."""
