"""The AWS account, or the local cloud in its place, that a command works with."""
