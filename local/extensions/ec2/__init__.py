"""The calls of EC2 that MiniStack lacks."""
