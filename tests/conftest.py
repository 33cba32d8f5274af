"""In which order Trio's tasks run: by chance, and the same once more by the seed of the run that failed."""

from __future__ import annotations

import random

import pytest
import trio


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --trio-seed."""
    parser.addoption("--trio-seed", type=int, help="run tasks in the order of the run that named this seed")


def pytest_configure(config: pytest.Config) -> None:
    """Draw the seed before xdist hands the options to its processes."""
    if config.option.trio_seed is None:
        config.option.trio_seed = random.randrange(1_000_000)


def pytest_report_header(config: pytest.Config) -> str:
    """Name the seed."""
    return f"order of tasks: --trio-seed {config.option.trio_seed}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin each test at an order of its own, whatever ran before it.

    Trio draws from a generator that it doesn't offer; where pytest-trio finds Hypothesis, it has Trio shuffle all that
    could run at once, and nothing else is left to chance.
    """
    trio._core._run._r.seed(f"{item.config.option.trio_seed} {item.nodeid}")
