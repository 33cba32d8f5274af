"""The parts of the stack's configuration that differ between installations, taken from the bot's settings.

The webhook's token belongs to the bot: whichever starts first, this program or the bot, writes its file; the other
reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from doradura.data_directory import DataDirectoryError, generated_secret
from doradura.settings import Address, Settings, read_settings

TELEGRAM_NAMES = ("DORADURA_TELEGRAM_TOKEN", "DORADURA_TELEGRAM_TOKEN_FILE")
HOST_INSIDE = "host.docker.internal"
"""The machine's name inside the containers of compose.yaml."""


class StackError(Exception):
    """The stack can't do what was asked; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for, beyond the settings."""

    targets: tuple[str, ...] = ()
    webhook_url: str | None = None
    speed: float = 1.0
    engine: bool = False
    """Whether it is for containers, whose addresses are not the machine's."""
    with_bot: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """All that `render` needs to know. Addresses are those that the stack's own programs use."""

    targets: tuple[str, ...]
    prometheus: str
    alertmanager: str
    webhook_url: str
    dashboards: str
    runbooks_url: str
    """The URL of the alerts' runbooks, without the slash before the name."""
    told_chat_ids: tuple[int, ...]
    """The chats that Alertmanager notifies itself."""
    telegram_api_url: str
    telegram_token: str = field(repr=False)
    webhook_token: str = field(repr=False)
    basic_auth: str | None = field(repr=False)
    speed: float = 1.0
    with_bot: bool = False


def settings_of(environ: Mapping[str, str]) -> Settings:
    """Read the settings as `just run` does: without a token the bot is the sandbox's. Raises SettingsError."""
    return read_settings(environ, sandbox=not any(environ.get(name) for name in TELEGRAM_NAMES))


def facts_of(settings: Settings, asked: Asked, directory: Path) -> Facts:
    """Return the facts. `directory` is where the rendered files will be. Raises StackError."""
    if asked.with_bot and settings.mode == "sandbox":
        raise StackError(
            "the bot's image has no sandbox: set DORADURA_TELEGRAM_TOKEN, or start the bot with `just run`"
        )
    targets = asked.targets or (_bot(settings.http_bind, asked),)
    api_url = settings.telegram_api_url
    if settings.mode == "sandbox":
        host = HOST_INSIDE if asked.engine else settings.sandbox_bind.reachable.host
        api_url = f"http://{Address(host, settings.sandbox_bind.port)}"
    inside = asked.engine
    return Facts(
        targets=targets,
        prometheus="prometheus:9090" if inside else str(settings.stack_prometheus.reachable),
        alertmanager="alertmanager:9093" if inside else str(settings.stack_alertmanager.reachable),
        webhook_url=asked.webhook_url or f"http://{targets[0]}/alerts",
        dashboards="/etc/grafana/dashboards" if inside else str(directory / "grafana" / "dashboards"),
        runbooks_url=settings.runbooks_url or f"http://{targets[0]}/runbooks",
        # Debian's Alertmanager (0.25) knows no topics: the topic's group is notified instead.
        told_chat_ids=tuple(dict.fromkeys(chat.chat_id for chat in settings.told_chats)),
        telegram_api_url=api_url,
        telegram_token=settings.telegram_token,
        webhook_token=settings.webhook_token or kept_secret(settings.data_dir / "webhook.token"),
        basic_auth=settings.metrics_basic_auth,
        speed=asked.speed,
        with_bot=asked.with_bot,
    )


def _bot(bind: Address, asked: Asked) -> str:
    if asked.with_bot:
        return "doradura-bot:9090"
    if not bind.port:
        raise StackError("DORADURA_HTTP_BIND has port 0: the bot's port can't be known. Set one, or use --targets.")
    return str(Address(HOST_INSIDE, bind.port) if asked.engine else bind.reachable)


def kept_secret(path: Path) -> str:
    """Return the secret in a file, as the bot would; create file and secret if they are missing. Raises StackError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return generated_secret(path)
    except (OSError, DataDirectoryError) as error:
        raise StackError(str(error)) from error
