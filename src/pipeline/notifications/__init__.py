"""Emails through SNS, each sent once for its event."""
