"""The commands that start, use, and inspect a local cloud."""
