"""What MiniStack lacks: one module each, which joins itself to it in its `install()`."""

from __future__ import annotations

from importlib import import_module

ADDITIONS = (
    "resources",
    "bucket_keys",
    "permissions",
    "executions",
    "history",
    "parallel",
    "tasks",
    "state_machines",
    "lambda_errors",
    "clusters",
    "crawler",
    "athena",
    "mailbox",
)


def install() -> None:
    """Join all additions to the emulator. Its settings have to be in the environment by now."""
    for name in ADDITIONS:
        import_module(f"{__name__}.{name}").install()
