"""Lambda: how errors of handlers are reported."""
