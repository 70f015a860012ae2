"""Lambda: how functions run, and how their errors and throttled events are handled."""
