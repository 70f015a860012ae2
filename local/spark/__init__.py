"""Spark on this machine: finding Java, settings, and running the two jobs on plain folders."""
