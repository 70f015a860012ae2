"""The estimate of a run: its measured figures, and its arithmetic."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from cli.scale import assumptions, prices
from cli.scale.run_estimate import Parameters, estimate_run, find_max_rentals
from contract.datasets import LOCATIONS, USERS, VEHICLES
from sample_data import write_sample
from tests.infra.support.template import PROJECT, template

MILLION = 1_000_000
BILLION = 1_000 * MILLION


def test_defaults_are_those_of_the_template() -> None:
    parameters = template()["Parameters"]
    names = {
        "max_workers": "MaxWorkers",
        "spot_percent": "SpotPercent",
        "max_concurrent_runs": "MaxConcurrentRuns",
        "instance_type": "WorkerInstanceType",
    }
    assert {field.name for field in fields(Parameters)} == set(names)
    for field, name in names.items():
        assert getattr(Parameters(), field) == parameters[name]["Default"]
    assert parameters["PrimaryInstanceType"]["Default"] == Parameters().instance_type


@pytest.mark.parametrize(
    ("program", "assumption"),
    [
        ("transformation_job.py", assumptions.TRANSFORMATION_SECONDS),
        ("kpis.py", assumptions.KPIS_SECONDS),
    ],
)
def test_measured_seconds_are_those_of_the_benchmark(
    program: str, assumption: assumptions.Assumption
) -> None:
    page = (PROJECT / "docs" / "performance.md").read_text("utf-8")
    match = re.search(rf"^\| `{re.escape(program)}` \| ([\d.]+) \|", page, re.MULTILINE)
    assert match, f"docs/performance.md has no row of {program}"
    assert float(match[1]) == assumption.value, (
        "the benchmark has other results: update cli/scale/assumptions.py, then run"
        " `./run diagrams`"
    )


def test_bytes_of_a_rental_are_those_of_the_sample_data(tmp_path: Path) -> None:
    """With the numbers of users, vehicles, and locations of the benchmark."""
    rentals = 20_000
    counts = {USERS: rentals // 20, VEHICLES: rentals // 100, LOCATIONS: rentals // 2_000}
    write_sample(tmp_path / "in", rentals, 0.0, counts=counts)
    size = sum(file.stat().st_size for file in (tmp_path / "in").iterdir())
    assert size / rentals == pytest.approx(assumptions.BYTES_PER_RENTAL.value, rel=0.02)


def test_core_time_is_computed_from_the_measured_seconds() -> None:
    # (46.5 - 5 + 46.9 - 5) seconds on two cores, for five million rentals
    expected = (41.5 + 41.9) * 2 / 5
    assert assumptions.get_core_seconds_per_million() == pytest.approx(expected)


def test_duration_of_a_billion_rentals() -> None:
    run = estimate_run(BILLION, Parameters())
    assert run.cores == 40  # ten workers with two executors of two cores
    # 33.36 core seconds a million, doubled for a cluster, on 40 cores, and the fixed time
    assert run.job_seconds == pytest.approx(1000 * 33.36 * 2 / 40 + 16)
    assert run.step_seconds == pytest.approx(run.job_seconds + 360)
    assert run.pin_seconds == pytest.approx(5 + 96e9 / 2**20 / 512)
    assert run.run_seconds == pytest.approx(
        run.pin_seconds + run.step_seconds + 120 + 1.5 * 120 + 30
    )


def test_disks_limit_jobs_with_large_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = assumptions.Assumption(1.0, "MiB/s", "", "estimate", "")
    monkeypatch.setattr(assumptions, "DISK_MIB_PER_SECOND", slow)
    run = estimate_run(BILLION, Parameters())
    assert run.job_seconds == pytest.approx(16 + 4 * 96e9 / 2**20 / 10)


def test_cost_of_a_cluster() -> None:
    run = estimate_run(BILLION, Parameters())
    hours = run.cluster_seconds / 3600
    nodes, disks = 11 * (0.1632 + 0.0408), 10 * 72 * 0.08 / 730
    assert run.cluster_dollars == pytest.approx(hours * (nodes + disks))


def test_unknown_price_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "EC2_INSTANCES", {})
    with pytest.raises(ValueError, match=r"the price of m7g\.xlarge is unknown"):
        estimate_run(MILLION, Parameters())


def test_larger_workers_have_more_cores() -> None:
    assert Parameters().cores_per_worker == 4
    assert Parameters(instance_type="m7g.2xlarge").cores_per_worker == 8


@pytest.mark.parametrize("max_workers", [1, 10])
def test_largest_batch_ends_before_the_timeouts(max_workers: int) -> None:
    parameters = Parameters(max_workers=max_workers)
    millions = find_max_rentals(parameters, step_timeout=14_400, pin_timeout=900)
    largest, too_large = (estimate_run((millions + more) * MILLION, parameters) for more in (0, 1))
    assert largest.step_seconds < 14_400
    assert largest.pin_seconds < 900
    assert too_large.step_seconds >= 14_400 or too_large.pin_seconds >= 900


def test_a_billion_rentals_fit_into_the_default_parameters() -> None:
    assert find_max_rentals(Parameters(), step_timeout=14_400, pin_timeout=900) >= 2_000
