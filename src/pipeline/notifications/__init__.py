"""Emails through SNS: what is sent, once for each cause."""
