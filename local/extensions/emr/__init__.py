"""EMR: the lifecycle of clusters, and steps that run as processes."""
