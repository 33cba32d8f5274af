"""The program's settings: one frozen value, read once from the environment, and one error that lists every fault.

Owns the table of options (`OPTIONS`), which docs/settings.md repeats and a test compares. Reads only the given
environment and the files that its values name; it creates nothing, connects to nothing and keeps nothing. Neither a
fault nor a repr of the settings shows a secret's value.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from doradura.settings.options import OPTIONS, PREFIX, TELEGRAM_API_URL, LogFormat, LogLevel, Mode, Option
from doradura.settings.values import TOKEN, Address, AlertChat, IPNetwork, SitePace

__all__ = [
    "OPTIONS",
    "Address",
    "AlertChat",
    "IPNetwork",
    "Mode",
    "Option",
    "Settings",
    "SettingsError",
    "SitePace",
    "read_settings",
]

SANDBOX_TOKEN = "1000000001:SANDBOX" + "A" * 28
"""The bot that `run --sandbox` starts. Its token is good for that sandbox only, so it may stand here."""

SANDBOX_ADMIN_IDS = frozenset({1000})
SANDBOX_DATA_DIR = "./data-sandbox"
"""Separate from production's: otherwise the real admins would get the sandbox's alerts, and real chats its jobs."""
MIB = 1024 * 1024
CLOUD_UPLOAD_BYTES = 50 * MIB
LOCAL_UPLOAD_BYTES = 2000 * MIB
SECRET_FILE_BYTES = 64 * 1024


class SettingsError(Exception):
    """The environment can't be used. `faults` has a sentence for each fault; str() shows all of them."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        if len(self.faults) == 1:
            return f"settings: {self.faults[0]}"
        return "\n".join([f"settings: {len(self.faults)} faults", *(f"  - {fault}" for fault in self.faults)])


@dataclass(frozen=True, repr=False)
class Settings:
    """Everything that the environment decides. Sizes are bytes, times seconds; `DORADURA_X_Y` is the field `x_y`."""

    mode: Mode
    telegram_token: str = field(metadata={"secret": True})
    telegram_api_url: str
    telegram_local: bool
    admin_ids: frozenset[int]
    alert_chats: tuple[AlertChat, ...]
    data_dir: Path
    database_url: str = field(metadata={"secret": True})
    http_bind: Address
    metrics_basic_auth: str | None = field(metadata={"secret": True})
    allowed_networks: tuple[IPNetwork, ...]
    trusted_proxies: tuple[IPNetwork, ...]
    webhook_token: str | None = field(metadata={"secret": True})
    concurrent_downloads: int
    queue_limit: int
    drain_seconds: int
    download_proxy: str | None = field(metadata={"secret": True})
    site_pace: tuple[SitePace, ...]
    cookies_file: Path | None
    pot_provider: str | None
    require_wall: bool
    allowed_private: tuple[str, ...]
    prometheus_url: str
    alertmanager_url: str
    watchdog_seconds: int
    runbooks_url: str | None
    stack_prometheus: Address
    stack_alertmanager: Address
    stack_grafana: Address
    sandbox_bind: Address
    log_format: LogFormat
    log_level: LogLevel
    unknown: tuple[str, ...] = ()
    """Unknown DORADURA_* names, each with the nearest known one: the program warns about them."""

    @property
    def told_chats(self) -> tuple[AlertChat, ...]:
        """The chats that alerts go to: those of DORADURA_ALERT_CHATS, else each admin's own."""
        return self.alert_chats or tuple(AlertChat(admin_id) for admin_id in sorted(self.admin_ids))

    @property
    def upload_limit_bytes(self) -> int:
        """The largest file that this Bot API server accepts, in bytes.

        Source: Bot API, "Sending files" and "Using a Local Bot API Server".
        """
        return LOCAL_UPLOAD_BYTES if self.telegram_local else CLOUD_UPLOAD_BYTES

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return self.data_dir / self.database_url.removeprefix("sqlite:///")

    def secrets(self) -> tuple[str, ...]:
        """Return every value that no log may show.

        The secrets themselves, and the passwords inside URLs, as written.
        """
        found = [self.telegram_token, self.metrics_basic_auth, self.webhook_token]
        found.append((self.metrics_basic_auth or "").partition(":")[2])
        for url in (
            *(self.telegram_api_url, self.database_url, *self._proxies(), self.pot_provider),
            *(self.prometheus_url, self.alertmanager_url, self.runbooks_url),
        ):
            parts = urlsplit(url or "")
            passwords = [parts.password, *parse_qs(parts.query).get("password", [])]
            if any(passwords):
                found += [url, *passwords, unquote(parts.password or "")]
        return tuple(dict.fromkeys(value for value in found if value))

    def _proxies(self) -> Iterator[str]:
        text = self.download_proxy or ""
        by_site = "=" in text.partition("://")[0]
        yield from (entry.partition("=")[2] for entry in text.split(",")) if by_site else (text,)

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{item.name}={self._shown(item)}' for item in fields(self))})"

    def _shown(self, item: Field[Any]) -> str:
        value = getattr(self, item.name)
        hidden = value and (item.metadata.get("secret") or (isinstance(value, str) and "@" in value))
        return "***" if hidden else repr(value)


def read_settings(environ: Mapping[str, str], *, sandbox: bool = False, token_required: bool = True) -> Settings:
    """Read the settings from an environment.

    An empty value counts as not set. `sandbox` uses the sandbox's token, admin and data directory; without it a token
    is required, unless the command never talks to Telegram (`token_required=False`). Raises SettingsError with every
    fault found.
    """
    faults: list[str] = []
    found: dict[str, Any] = {}
    for option in OPTIONS:
        try:
            text = _text(option, environ, sandbox=sandbox)
            found[option.field] = option.empty if text is None else _parse(option, text)
        except ValueError as error:
            faults.append(str(error))
    if sandbox:
        found["telegram_token"] = SANDBOX_TOKEN
        found["admin_ids"] = found.get("admin_ids") or SANDBOX_ADMIN_IDS
    elif "telegram_token" in found and found["telegram_token"] is None:
        found["telegram_token"] = ""
        if token_required:
            faults.append(
                f"{PREFIX}TELEGRAM_TOKEN is not set; set it to the token from @BotFather, "
                f"or try the bot without Telegram: python -m doradura run --sandbox"
            )
    if not sandbox and found.get("telegram_local") and found.get("telegram_api_url") == TELEGRAM_API_URL:
        faults.append(
            f"{PREFIX}TELEGRAM_LOCAL is true, but {PREFIX}TELEGRAM_API_URL is Telegram's own server; "
            f"set it to your telegram-bot-api server, such as http://127.0.0.1:8081"
        )
    if faults:
        raise SettingsError(tuple(faults))
    return Settings(mode="sandbox" if sandbox else "telegram", unknown=_unknown(environ), **found)


def _text(option: Option, environ: Mapping[str, str], *, sandbox: bool) -> str | None:
    """Return an option's text: the variable's, else that of the file named by NAME_FILE, else the default's."""
    text = environ.get(option.name, "")
    file = environ.get(f"{option.name}_FILE", "") if option.secret else ""
    if text and file:
        raise ValueError(f"{option.name} and {option.name}_FILE are both set; keep one of them")
    if file:
        return _secret_file(f"{option.name}_FILE", Path(file))
    default = SANDBOX_DATA_DIR if sandbox and option.field == "data_dir" else option.fallback
    return (text if option.secret else text.strip()) or default


def _secret_file(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(SECRET_FILE_BYTES).decode().rstrip("\r\n")
    except OSError as error:
        raise ValueError(
            f"{name}: {str(path)!r} can't be read ({error.strerror}); give the path of a file with the secret"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{name}: {str(path)!r} is not text; the file must contain only the secret") from None
    if not text:
        raise ValueError(f"{name}: {str(path)!r} is empty; write the secret into it")
    return text


def _parse(option: Option, text: str) -> Any:
    try:
        return option.parse(text)
    except ValueError as error:
        # A URL may contain a password, and a token may have been put into the wrong variable: neither is repeated.
        hidden = option.secret or "@" in text or TOKEN.search(text)
        shown = "" if hidden else f" ({text[:60]!r}{'...' if len(text) > 60 else ''})"
        raise ValueError(f"{option.name}{shown} {TOKEN.sub('***', str(error))}") from None


def _unknown(environ: Mapping[str, str]) -> tuple[str, ...]:
    known = {option.name for option in OPTIONS} | {f"{option.name}_FILE" for option in OPTIONS if option.secret}
    found = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and environ[name]:
            near = difflib.get_close_matches(name, known, n=1)
            found.append(f"{name} (did you mean {near[0]}?)" if near else name)
    return tuple(found)
