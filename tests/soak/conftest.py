"""Options of the soak tests, and the report of the figures that they measure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

_FIGURES = "figures"
_FIGURES_FOLDER = Path(__file__).resolve().parents[2] / "build"
_DEFAULT_SEED = 20_260_101

RecordFigures = Callable[[str, Mapping[str, Any]], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("soak tests")
    group.addoption(
        "--seed", type=int, default=_DEFAULT_SEED, help="seed of the random input of soak tests"
    )
    group.addoption(
        "--scale",
        type=float,
        default=1.0,
        help="size of soak tests, in relation to their default",
    )


def pytest_report_header(config: pytest.Config) -> str:
    return f"soak tests: {_describe_options(config)}"


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The seed of all random input. With the same seed and scale, a test repeats its input."""
    return int(pytestconfig.getoption("--seed"))


@pytest.fixture(scope="session")
def scaled(pytestconfig: pytest.Config) -> Callable[[int], int]:
    """A function that multiplies a default number of cases by the scale; the result is at least 1.

    A test that needs a number of cases to prove a promise states it as the default number.
    """
    scale = float(pytestconfig.getoption("--scale"))
    return lambda cases: max(1, round(cases * scale))


@pytest.fixture
def record_figures(record_property: Callable[[str, object], None]) -> RecordFigures:
    """A function that records measured figures under a name such as `file_check_fuzz`.

    The figures are JSON values by name. They are printed at the end of the test run, and written to
    `build/soak-<name>.json`, also if the test fails later.
    """
    return lambda name, figures: record_property(_FIGURES, {"name": name, **figures})


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    reports = [
        report
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "teardown"
    ]
    recorded = [
        dict(value)
        for report in reports
        for key, value in report.user_properties
        if key == _FIGURES and isinstance(value, dict)
    ]
    if not recorded:
        return
    terminalreporter.section(f"figures ({_describe_options(config)})")
    _FIGURES_FOLDER.mkdir(exist_ok=True)
    for figures in recorded:
        name = figures.pop("name")
        for figure, value in figures.items():
            terminalreporter.write_line(f"{name}: {figure}: {value}")
        content = {"seed": config.getoption("--seed"), "scale": config.getoption("--scale")}
        file = _FIGURES_FOLDER / f"soak-{name}.json"
        file.write_text(json.dumps(content | figures, indent=2) + "\n", encoding="utf-8")


def _describe_options(config: pytest.Config) -> str:
    return f"--seed={config.getoption('--seed')} --scale={config.getoption('--scale')}"
