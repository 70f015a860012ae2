"""The extensions that add to MiniStack what the pipeline needs from AWS.

Each extension is one module whose `install()` patches MiniStack.
"""

from __future__ import annotations

from importlib import import_module

EXTENSIONS = (
    "cloudformation.resources",
    "cloudformation.conditions",
    "s3.bucket_keys",
    "iam.credentials",
    "iam.permissions",
    "iam.leading_keys",
    "cloudwatch_logs.log_group_keys",
    "stepfunctions.executions",
    "stepfunctions.history",
    "stepfunctions.parallel",
    "stepfunctions.tasks",
    "stepfunctions.state_machines",
    "lambda_functions.errors",
    "lambda_functions.asynchronous",
    "lambda_functions.runtime",
    "lambda_functions.reserved_concurrency",
    "emr.clusters",
    "emr.releases",
    "ec2.instance_offerings",
    "service_quotas.quotas",
    "lake_formation.settings",
    "glue.crawler",
    "athena.api",
    "sns.mailbox",
)
"""The modules of the extensions, relative to this package, in the order of their installation."""


def install() -> None:
    """Install all extensions.

    MiniStack reads its settings from the environment when it is imported, so set them before this
    call.
    """
    for name in EXTENSIONS:
        import_module(f"{__name__}.{name}").install()
