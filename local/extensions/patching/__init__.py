"""How extensions replace parts of MiniStack, call it, and shut down with it."""
