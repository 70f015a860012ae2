"""Emails through SNS, each sent once for its event, and the budget of those about uploads."""
