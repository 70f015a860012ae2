"""The target of a command: a stack in an AWS account, or the stack of a local cloud."""
