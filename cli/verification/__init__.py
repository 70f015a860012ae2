"""The command `verify`: run a batch with known totals on a stack, and check every number."""
