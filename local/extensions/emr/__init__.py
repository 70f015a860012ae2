"""EMR: the lifecycle of clusters and steps, each step a real process."""
