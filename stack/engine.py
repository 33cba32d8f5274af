"""A container engine with Compose, if one really answers; and the stack as containers.

A client without its daemon is not an engine: it is asked before it is used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from doradura.settings import OPTIONS, Address, Settings
from stack.files import HERE, stack_directory

ANSWER_SECONDS = 10.0
UNPRIVILEGED = "10001:10001"
"""The user of the containers if root starts the stack: the user of the bot's image (stack/Dockerfile)."""
JOB_MEMORY_MB = 1536
"""What one download may use, in MiB: the bot's own limit (a test compares)."""
BOT_MEMORY_MB = 512
"""What the bot's container needs besides its downloads, in MiB."""
GRACE_SECONDS = 15
"""How many seconds beyond its drain the bot's container has before it is killed."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answered. `user` is whom the containers run as, so that they can read files of mode 0600."""

    tool: str
    user: str

    def compose(self, *arguments: str, with_bot: bool = False) -> list[str]:
        """Return the command line of a Compose command."""
        profile = ["--profile", "bot"] if with_bot else []
        return [self.tool, "compose", "-f", str(HERE / "compose.yaml"), *profile, *arguments]

    def environment(self, settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
        """Return what compose.yaml reads: the environment, plus this installation's values."""
        memory_mb = BOT_MEMORY_MB + JOB_MEMORY_MB * settings.concurrent_downloads
        return {
            "DORADURA_STACK_BOT_MEMORY": f"{memory_mb}m",
            **environ,
            **_secrets_from_files(settings, environ),
            "DORADURA_STACK_CONFIG": str(stack_directory(settings)),
            "DORADURA_STACK_USER": self.user,
            "DORADURA_STACK_PROMETHEUS": _published(settings.stack_prometheus),
            "DORADURA_STACK_ALERTMANAGER": _published(settings.stack_alertmanager),
            "DORADURA_STACK_GRAFANA": _published(settings.stack_grafana),
            "DORADURA_STACK_GRACE": f"{settings.drain_seconds + GRACE_SECONDS}s",
        }


def _secrets_from_files(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets given as NAME_FILE by their names: a container can't open this machine's files."""
    return {
        option.name: str(getattr(settings, option.field))
        for option in OPTIONS
        if option.secret and environ.get(f"{option.name}_FILE")
    }


def _published(address: Address) -> str:
    """Format an address for Compose, which publishes ports on addresses, not on names."""
    return str(Address("127.0.0.1", address.port) if address.host == "localhost" else address)


def find(*, which: Callable[[str], str | None] = shutil.which) -> Engine | None:
    """Find an engine that answers and knows Compose."""
    for name in ("docker", "podman"):
        tool = which(name)
        if tool is None or not knows_compose(tool):
            continue
        answer = _ask(tool, "info")
        if answer is not None:
            return Engine(tool, _user(answer, os.getuid(), os.getgid()))
    return None


def knows_compose(tool: str) -> bool:
    """Return whether an engine's client has its compose plugin: without it, it misreads our arguments. Blocks."""
    return _ask(tool, "compose", "version") is not None


def _user(info: str, uid: int, gid: int) -> str:
    """Return whom containers run as. A rootless engine's root is this user.

    In any other the user has its own number.
    """
    if "rootless: true" in info or "rootless\n" in info:
        return "0:0"
    return f"{uid}:{gid}" if uid else UNPRIVILEGED


def down(settings: Settings, environ: Mapping[str, str]) -> None:
    """Remove the stack's containers; the volumes stay. Blocks."""
    answering = find()
    if answering is not None:
        command = answering.compose("down", with_bot=True)
        subprocess.run(command, env=answering.environment(settings, environ), check=False)  # noqa: S603 - as below


def _ask(*command: str) -> str | None:
    """Return a command's output; None if it fails or takes too long."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False)  # noqa: S603 - the engine's own client
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None
