"""The commands for developers of this project."""
