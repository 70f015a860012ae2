"""Spark on this machine: the Java to use, settings, and running the two jobs on plain folders."""
