"""Benchmarks. They report ratios to a baseline that runs on the same machine at the same time."""
