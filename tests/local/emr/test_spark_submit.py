"""Tests of the options of spark-submit that decide where a job runs."""

from __future__ import annotations

import pytest

from local.extensions.emr.spark_submit import parse_arguments

PROGRAM = ["s3://bucket/job.py", "--deploy-mode", "cluster", "--conf", "spark.master=yarn"]


@pytest.mark.parametrize(
    ("options", "kept", "is_cluster_mode"),
    [
        ("", "", False),
        ("--deploy-mode client", "", False),
        ("--deploy-mode cluster", "", True),
        ("--deploy-mode=cluster", "", True),
        ("--master yarn --deploy-mode cluster -v", "-v", True),
        ("--verbose --deploy-mode cluster --py-files a.zip", "--verbose --py-files a.zip", True),
        ("--conf spark.submit.deployMode=cluster --conf a=b", "--conf a=b", True),
        ("-c spark.submit.deployMode=cluster", "", True),
        ("--conf=spark.submit.deployMode=cluster", "", True),
        # The option precedes the setting, and the last of several options counts.
        ("--deploy-mode client --conf spark.submit.deployMode=cluster", "", False),
        ("--deploy-mode client --deploy-mode cluster", "", True),
        # spark-submit reports these.
        ("--deploy-mode clustre", "--deploy-mode clustre", False),
        ("--master mesos://a", "--master mesos://a", False),
    ],
)
def test_options_before_the_program_decide(options: str, kept: str, is_cluster_mode: bool) -> None:
    job = parse_arguments([*options.split(), *PROGRAM], {})
    assert job.arguments == [*kept.split(), *PROGRAM]
    assert job.is_cluster_mode is is_cluster_mode


def test_default_of_the_cluster_applies_without_an_option() -> None:
    defaults = {"spark.submit.deployMode": "cluster"}
    assert parse_arguments(PROGRAM, defaults).is_cluster_mode
    client = ["--deploy-mode", "client", *PROGRAM]
    assert not parse_arguments(client, defaults).is_cluster_mode


def test_incomplete_options_are_left_to_spark_submit() -> None:
    assert parse_arguments(["--deploy-mode"], {}) == (["--deploy-mode"], False)
