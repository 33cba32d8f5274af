"""Who the tests of the wall run as, and on which kernels. Other users may not be let into where our Python lies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import doradura
from doradura.child.walling import deno
from doradura.wall import landlock
from doradura.wall.architectures import this_architecture
from doradura.wall.kernel import Kernel

NOBODY = 65534
CHECKOUT = Path(doradura.__file__).parent.parent


def becoming(user: int) -> dict[str, Any]:
    """Return `subprocess`'s arguments for a program of a user; none for ourselves, as only root may change groups."""
    return {} if user == os.getuid() else {"user": user, "group": user, "extra_groups": []}


def interpreter_of(user: int) -> tuple[list[str], dict[str, str]]:
    """Return the command of a Python of our version that a user can run, and the environment it finds our code by.

    Skips the test where there is none, or nobody but root may become another.
    """
    places = [str(CHECKOUT), sysconfig.get_path("purelib")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/"}
    environment["PYTHON_DENO"] = deno()
    if user == os.getuid():
        return [sys.executable], environment
    if os.getuid() != 0:
        pytest.skip("root can become another user")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for program in filter(None, (sys.executable, shutil.which(version, path="/usr/local/bin:/usr/bin"))):
        with suppress(PermissionError):
            asked = subprocess.run(
                [program, "-c", "import msgspec, trio, yt_dlp, doradura"],
                env=environment,
                cwd="/",
                **becoming(user),
                capture_output=True,
                check=False,
            )
            if asked.returncode == 0:
                return [program], environment
    pytest.skip(f"apt-get install {version}, for a Python that other users may run")


@cache
def abi() -> int:
    """Landlock's version here; 0 where there is none."""
    of = this_architecture()
    try:
        return 0 if of is None else landlock.version(Kernel(of))
    except OSError:
        return 0


needs_landlock = pytest.mark.skipif(abi() < landlock.PORTS_ABI, reason="Linux 6.7 with Landlock, and x86-64 or arm64")
