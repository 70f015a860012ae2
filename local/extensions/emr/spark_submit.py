"""The options of `spark-submit` that decide where a job runs.

On a cluster, YARN is the master, and the deploy mode decides where the driver runs: `client` means
in the process of `spark-submit`, and `cluster` means in a container of YARN. Here there is no YARN,
so both modes run in the process of `spark-submit`, and differ only in where their output is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

_DEPLOY_MODE_SETTING = "spark.submit.deployMode"
_CLUSTER = "cluster"
_CLIENT = "client"
# All options without a value, as Spark's SparkSubmitOptionParser defines them.
_SWITCHES = {"--help", "-h", "--supervise", "--usage-error", "--verbose", "-v", "--version"}
# Options of which nothing is left when a job runs on this machine. Any other value is an error on a
# cluster too, so it is left to spark-submit to report it.
_LOCATION_OPTIONS = {
    ("--master", "yarn"),
    ("--deploy-mode", _CLIENT),
    ("--deploy-mode", _CLUSTER),
    ("--conf", "spark.master=yarn"),
    ("--conf", f"{_DEPLOY_MODE_SETTING}={_CLIENT}"),
    ("--conf", f"{_DEPLOY_MODE_SETTING}={_CLUSTER}"),
}


class SubmittedJob(NamedTuple):
    """What a command line of `spark-submit` means on this machine.

    Attributes:
        arguments: The arguments with which `spark-submit` runs the job here.
        is_cluster_mode: Whether the driver runs in a container of YARN on a real cluster.
    """

    arguments: list[str]
    is_cluster_mode: bool


class _Option(NamedTuple):
    """An option with the arguments that it consists of."""

    name: str
    value: str
    arguments: Sequence[str]


def parse_arguments(arguments: Sequence[str], defaults: Mapping[str, str]) -> SubmittedJob:
    """Find out where a job runs, and remove the options that say so.

    Args:
        arguments: The arguments of `spark-submit`.
        defaults: The cluster's `spark-defaults`.

    Returns:
        The job. Its program and the arguments of the program are unchanged.
    """
    options = list(_iterate_options(arguments))
    kept = [option for option in options if (option.name, option.value) not in _LOCATION_OPTIONS]
    length = sum(len(option.arguments) for option in options)
    settings = dict(defaults)
    for option in options:
        if option.name == "--conf":
            name, _, value = option.value.partition("=")
            settings[name] = value
    modes = [option.value for option in options if option.name == "--deploy-mode"]
    mode = modes[-1] if modes else settings.get(_DEPLOY_MODE_SETTING)
    return SubmittedJob(
        [argument for option in kept for argument in option.arguments] + list(arguments[length:]),
        is_cluster_mode=mode == _CLUSTER,
    )


def _iterate_options(arguments: Sequence[str]) -> Iterator[_Option]:
    """Yield the options before the program."""
    index = 0
    while index < len(arguments) and arguments[index].startswith("-"):
        name, separator, value = arguments[index].partition("=")
        count = 1 if separator or name in _SWITCHES else 2
        used = arguments[index : index + count]
        yield _Option({"-c": "--conf"}.get(name, name), value if separator else used[-1], used)
        index += count
