"""Step Functions: service integrations, Parallel states, history, and validation."""
