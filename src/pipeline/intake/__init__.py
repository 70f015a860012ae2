"""Intake: from an upload to a started run with its pinned input."""
