"""AWS APIs that the pipeline calls, with their errors translated."""
