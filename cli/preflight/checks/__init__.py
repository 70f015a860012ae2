"""The checks: one module for each thing that a deployment needs. They only read."""
