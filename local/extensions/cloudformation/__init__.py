"""CloudFormation: resource types and functions in conditions that MiniStack lacks."""
