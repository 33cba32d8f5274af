"""What is reached on a machine whose own addresses are public, in a network namespace made for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import found

SCRIPT = Path(__file__).with_name("own_addresses.py")
HOSTS = (
    "5.5.5.5",
    "0x05050505",
    "[::ffff:5.5.5.5]",
    "[64:ff9b::5.5.5.5]",
    "[2001:4860:77::5]",
    "[2001:4860:77::77]",  # a neighbour
    "[2a01:1::5]",
    "[2a01:2::77]",  # a neighbour by its route alone
    "[2a01:2::9]",
)


@pytest.fixture
def namespace() -> list[str]:
    """What runs a program in a network namespace of its own, here as root of one or really as root."""
    found("ip")
    command = [found("unshare"), "--net", "--map-root-user"]
    if subprocess.run([*command, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user may not make a network namespace: run as root, or allow user namespaces (userns(7))")
    return command


def test_own_addresses_are_closed(namespace: list[str]) -> None:
    """Jobs reach no address of the machine, nor one it gets while they run; what is allowed they reach."""
    run = subprocess.run(
        [*namespace, sys.executable, str(SCRIPT), *HOSTS], check=False, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    alone = [f"alone {host}" for host in HOSTS]  # without a gate
    closed = dict.fromkeys((*alone, *HOSTS, "redirect", "segment", "by proxy"), "refused_address")
    assert said["told"] == {**closed, "allowed": "gone", "proxy of ours": "network"}
    near = "127.0.0.1:PORT"
    assert set(said["asked"]) == {f"{near}/redirect", f"{near}/list.m3u8", f"{near}/first.ts"}
