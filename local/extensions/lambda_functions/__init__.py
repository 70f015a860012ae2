"""Lambda: how errors that a handler raises are reported."""
