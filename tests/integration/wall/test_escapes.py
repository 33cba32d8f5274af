"""Native code behind each kind of wall that this kernel has tries to get out: as root and as a user that is not.

Nothing it could reach lies outside loopback and the test's own directory. docs/security.md has the table.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doradura.media.protocol import WallKind
from doradura.wall import landlock
from tests.integration.wall.users import NOBODY, becoming, interpreter_of, needs_landlock

HERE = Path(__file__).parent

AT_THE_GATE = {
    *("connect", "connect to ::1", "connect, with type bits", "connect, fast open by option"),
    *("connect in a thread", "connect in a fork", "stream pair, connected elsewhere", "ffmpeg over TCP"),
    "connect to the gate's port at 127.0.0.2",
}
"""What succeeds behind a wall that notifies, and ends at the gate, which hangs up on who speaks no SOCKS."""
TO_ITS_OWN_PEER = {"packet pair, sent to one on disk", "packet pair, sent to one abstract"}
"""The kernel does not look at the address: what is sent goes to the pair's other end."""
HOLES = {"connect to the gate's port at 127.0.0.2"}
"""What the port rule lets through: it knows ports, and no addresses."""


def escape(kind: str, root: Path, user: int, *, older: int | None = None) -> dict[str, Any]:
    """Run the bot as a user, with a hostile job behind a kind of wall; what came of it."""
    command, environment = interpreter_of(user)
    place = root / "bot"
    place.mkdir(mode=0o700)
    if user != os.getuid():
        os.chown(place, user, user)
    if older is not None:
        environment["PYTHON_WALL_ABI"] = str(older)
    said = subprocess.run(
        [*command, str(HERE / "walled_bot.py"), kind, str(place)],
        env=environment,
        cwd="/",
        **becoming(user),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert said.returncode == 0, said.stderr[-4000:]
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def passed(found: dict[str, Any]) -> set[str]:
    """The attempts that got through."""
    told = found["told"]
    assert len(told) > 140, told
    return {name for name, outcome in told.items() if outcome == "passed"}


def good(found: dict[str, Any]) -> set[str]:
    """What has to get through."""
    return {name for name in found["told"] if name.startswith("good: ")}


USERS = [pytest.param(os.getuid(), id="ourselves"), pytest.param(NOBODY, id="nobody")]


@pytest.fixture
def root() -> Iterator[Path]:
    """A directory that every user can go through: pytest's own are root's alone, and closed again by each run."""
    with tempfile.TemporaryDirectory(prefix="wall-") as place:
        Path(place).chmod(0o755)
        yield Path(place)


@needs_landlock
@pytest.mark.parametrize("user", USERS)
def test_nothing_gets_past_the_notifying_wall(root: Path, user: int) -> None:
    """No listener is reached and no file, no process: what connects ends at the gate, and the rest is refused."""
    found = escape("notify", root, user)
    assert passed(found) == AT_THE_GATE | TO_ITS_OWN_PEER | good(found)
    assert (found["touched"], found["changed"]) == ([], [])


@needs_landlock
@pytest.mark.parametrize("user", USERS)
def test_the_gate_s_port_alone_gets_past_the_other(root: Path, user: int) -> None:
    """On any address: the one hole of a rule that knows ports alone."""
    found = escape("port", root, user)
    assert passed(found) == HOLES | TO_ITS_OWN_PEER | good(found)
    assert (found["touched"], found["changed"]) == (["beside"], [])


@needs_landlock
@pytest.mark.parametrize("older", [*(pytest.param(abi, marks=pytest.mark.long) for abi in (1, 2, 5)), 4])
@pytest.mark.parametrize("kind", ["notify", "port"])
def test_older_kernels(root: Path, kind: WallKind, older: int) -> None:
    """What their Landlock does not know, the filter refuses."""
    found = escape(kind, root, os.getuid(), older=older)
    if kind == "port" and older < landlock.PORTS_ABI:
        assert found["told"]["reason"] == "tool_crash"
        assert "knows no ports" in found["told"]["detail"]
        return
    expected = (AT_THE_GATE if kind == "notify" else HOLES) | good(found)
    if older == 1:  # which lets nothing be moved between directories
        expected -= {"good: rename inside"}
    assert passed(found) == expected | TO_ITS_OWN_PEER
    assert (found["touched"], found["changed"]) == ([] if kind == "notify" else ["beside"], [])


@pytest.mark.long
@needs_landlock
def test_without_a_wall_nearly_all_of_it_gets_through(root: Path) -> None:
    """The attempts are real: the audit hook sees none of them, and what is there is reached and changed."""
    found = escape("hook", root, NOBODY)
    assert {
        *("connect", "fast open by sendto", "listen without bind", "local socket on disk", "socket UDP"),
        *("datagram pair, sent to one on disk", "datagram pair, sent to one abstract", "signal to bot"),
        *("read the database", "read another job's file", "write the database", "unlink", "chmod", "run /bin/sh"),
        *("truncate by opening", "ffmpeg over TCP", "ffmpeg to UDP", "deno reads", "priority of server"),
        *("signal with data to bot", "choose the signal with data", "kill of another thread of the bot"),
    } <= passed(found)
    assert set(found["touched"]) > {"tcp", "tcp6", "beside", "udp", "unix", "abstract", "unix_datagram"}
    assert found["changed"]


@needs_landlock
@pytest.mark.parametrize("user", USERS)
def test_the_best_wall_is_found(root: Path, user: int) -> None:
    """By both users."""
    assert escape("find", root, user) == {"kind": "notify", "why": ""}
