"""What every function writes for those who watch it: log lines, traces, metrics."""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics, Tracer

NAMESPACE = "RentalKpi"


def observers(function: str) -> tuple[Logger, Tracer, Metrics]:
    """The logger, tracer and metrics of a function, by its name."""
    return (
        Logger(service=function),
        Tracer(service=function),
        Metrics(namespace=NAMESPACE, service=function),
    )
