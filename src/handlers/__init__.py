"""The Lambda functions. Each module parses an event, makes one call, and returns a result."""
