"""Makes the order of Trio's tasks random, and repeatable with the seed that a failed run printed."""

from __future__ import annotations

import random

import pytest
import trio


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --trio-seed."""
    parser.addoption("--trio-seed", type=int, help="run tasks in the order of the run that named this seed")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed before xdist passes the options to its processes."""
    if config.option.trio_seed is None:
        config.option.trio_seed = random.randrange(1_000_000)


def pytest_report_header(config: pytest.Config) -> str:
    """Return the line of the report that shows the seed."""
    return f"order of tasks: --trio-seed {config.option.trio_seed}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seed the order of tasks for each test, so that it does not depend on the tests before it.

    Trio's random generator is not public. If pytest-trio finds Hypothesis, it makes Trio shuffle the tasks that can run
    next; nothing else in a test is random.
    """
    trio._core._run._r.seed(f"{item.config.option.trio_seed} {item.nodeid}")
