"""What MiniStack lacks: one module each, which joins itself to it in its `install()`."""

from __future__ import annotations

from importlib import import_module

EXTENSIONS = (
    "cloudformation.resources",
    "s3.bucket_keys",
    "iam.permissions",
    "stepfunctions.executions",
    "stepfunctions.history",
    "stepfunctions.parallel",
    "stepfunctions.tasks",
    "stepfunctions.state_machines",
    "lambda_functions.errors",
    "emr.clusters",
    "glue.crawler",
    "athena.api",
    "sns.mailbox",
)


def install() -> None:
    """Join all additions to the emulator. Its settings have to be in the environment by now."""
    for name in EXTENSIONS:
        import_module(f"{__name__}.{name}").install()
