"""From an uploaded file to a started run with pinned input."""
