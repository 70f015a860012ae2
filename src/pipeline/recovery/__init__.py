"""What happens when a run fails, stalls, or is forgotten."""
