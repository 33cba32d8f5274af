"""The lock files hold what installs, too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_pip_and_setuptools_are_pinned(name: str) -> None:
    """Both are there with hashes, and nothing in the file is without one."""
    blocks = re.split(r"^(?=[^ #\n])", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    pinned = {block.partition("==")[0]: block for block in blocks if block}
    assert {"pip", "setuptools"} <= pinned.keys()
    assert [package for package, block in pinned.items() if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("place", ["justfile", "stack/Dockerfile"])
def test_the_pinned_installers_come_first(place: str) -> None:
    """The environment's own pip installs nothing but its successor."""
    lines = [line for line in (ROOT / place).read_text(encoding="utf-8").splitlines() if "--require-hashes" in line]
    assert ["installers.lock" in line for line in lines] == [True, False]
