"""The commands for operators of a stack, on AWS or on a local cloud: one module for each.

`./run` starts each of them with a small environment, so each command imports what it needs from AWS
when it runs: a command that shows its help needs no AWS SDK.
"""
