"""The table of options: each variable's name, default, meaning and parser, in the order docs/settings.md has them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal, get_args

from doradura.settings import values

Mode = Literal["telegram", "sandbox"]
"""Whether the bot works on Telegram or in its own sandbox: the command line says which."""
LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]

PREFIX = "DORADURA_"
TELEGRAM_API_URL = "https://api.telegram.org"


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table: the variable's name, default, meaning, and the parser of its text."""

    name: str
    default: str
    """As docs/settings.md shows it."""
    meaning: str
    parse: values.Parse
    """Raises ValueError with the rest of a sentence that begins with the name; must not repeat the value."""
    fallback: str | None = None
    """The text that is read if the variable isn't set; None leaves the field empty."""
    empty: Any = None
    secret: bool = False

    @property
    def field(self) -> str:
        """The name of the field in Settings."""
        return self.name.removeprefix(PREFIX).lower()


def _row(
    name: str,
    default: str,
    meaning: str,
    parse: values.Parse,
    *,
    fallback: str | None = None,
    empty: Any = None,
    secret: bool = False,
) -> Option:
    """Make a row. A default in words stands for no value or for `fallback`; any other is read like a set value."""
    words = " " in default or default == "none"
    text = fallback if fallback is not None or words else default
    return Option(PREFIX + name, default, meaning, parse, text, empty, secret)


def _cpus() -> str:
    return str(min(64, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


OPTIONS: tuple[Option, ...] = (
    _row("TELEGRAM_TOKEN", "none", "bot token from @BotFather; the sandbox has its own", values.bot_token, secret=True),
    _row(
        "TELEGRAM_API_URL",
        TELEGRAM_API_URL,
        "address of the Bot API server: Telegram's, or a local telegram-bot-api",
        values.url("https", "http"),
    ),
    _row("TELEGRAM_LOCAL", "false", "that server runs with --local: files up to 2000 MB", values.boolean),
    _row(
        "ADMIN_IDS",
        "none (sandbox: 1000)",
        "comma-separated user ids of the admins",
        values.user_ids,
        empty=frozenset(),
    ),
    _row(
        "ALERT_CHATS",
        "the admins",
        "comma-separated chats that alerts go to: `id`, or `id/topic`",
        values.alert_chats,
        empty=(),
    ),
    _row(
        "DATA_DIR",
        "./data (sandbox: ./data-sandbox)",
        "database, temporary files, generated secrets",
        values.directory,
        fallback="./data",
    ),
    _row(
        "DATABASE_URL",
        "sqlite in the data dir",
        "or sqlite:///name.db, a file of the data directory",
        values.database_url,
        fallback="sqlite:///doradura.db",
        secret=True,
    ),
    _row("HTTP_BIND", "0.0.0.0:9090", "address of /metrics, /health, /runbooks/ and /alerts", values.address),
    _row("METRICS_BASIC_AUTH", "none", "user:password for /metrics, / and /runbooks/", values.basic_auth, secret=True),
    _row(
        "ALLOWED_NETWORKS",
        "loopback and private ranges",
        "comma-separated CIDRs that may reach /metrics, /, /runbooks/ and /alerts; `all` opens them to everyone",
        values.networks_or_all,
        fallback=",".join(map(str, values.PRIVATE_NETWORKS)),
    ),
    _row("TRUSTED_PROXIES", "none", "CIDRs whose X-Forwarded-For is trusted", values.networks, empty=()),
    _row(
        "WEBHOOK_TOKEN",
        "generated into webhook.token in the data dir",
        "bearer token of POST /alerts",
        values.bearer_token,
        secret=True,
    ),
    _row(
        "CONCURRENT_DOWNLOADS", "number of CPUs", "downloads at once, 1 to 64", values.integer(1, 64), fallback=_cpus()
    ),
    _row(
        "QUEUE_LIMIT",
        "1000",
        "the most queued downloads; beyond it users are told to try later",
        values.integer(1, 1_000_000),
    ),
    _row("DRAIN_SECONDS", "25", "how long running downloads may continue at shutdown", values.integer(0, 3600)),
    _row(
        "DOWNLOAD_PROXY",
        "none",
        "proxy for downloads: http, https, socks5 or socks5h; or by site, such as youtube=socks5://host:1080,*=direct",
        values.download_proxies,
        secret=True,
    ),
    _row(
        "SITE_PACE",
        "youtube=12/10",
        "how often a site is asked about links: `site=seconds/burst`, comma-separated, or `none`",
        values.site_paces,
    ),
    _row("COOKIES_FILE", "none", "cookies.txt used for downloads", values.cookies_file),
    _row(
        "POT_PROVIDER",
        "none",
        "provider of PO tokens for YouTube, such as http://127.0.0.1:4416 (a private address as a number)",
        values.url("http", "https"),
    ),
    _row("REQUIRE_WALL", "false", "refuse to start where the kernel has no wall around workers", values.boolean),
    _row(
        "ALLOWED_PRIVATE",
        "none (sandbox: its own media address)",
        "comma-separated host:port or CIDR that downloads may reach although they are private",
        values.private_targets,
        empty=(),
    ),
    _row("PROMETHEUS_URL", "http://127.0.0.1:9091", "Prometheus, for graphs in chat", values.url("http", "https")),
    _row(
        "ALERTMANAGER_URL", "http://127.0.0.1:9093", "Alertmanager, for silences in chat", values.url("http", "https")
    ),
    _row(
        "WATCHDOG_SECONDS",
        "600",
        "silence of the watchdog after which monitoring counts as down",
        values.integer(1, 86_400),
    ),
    _row(
        "RUNBOOKS_URL",
        "the bot's own /runbooks/, as Prometheus reaches it",
        "where the rules' runbook links lead (the alert's name is appended); in chat a button sends the text",
        values.url("http", "https"),
    ),
    _row("STACK_PROMETHEUS", "127.0.0.1:9091", "where `just stack` runs Prometheus", values.address),
    _row("STACK_ALERTMANAGER", "127.0.0.1:9093", "where `just stack` runs Alertmanager", values.address),
    _row("STACK_GRAFANA", "127.0.0.1:3000", "where `just stack` runs Grafana", values.address),
    _row("SANDBOX_BIND", "127.0.0.1:8082", "the sandbox's address, loopback only", values.loopback_address),
    _row("LOG_FORMAT", "text", "text or json", values.choice(*get_args(LogFormat))),
    _row(
        "LOG_LEVEL",
        "info",
        "debug, info, warning, error or critical",
        values.choice(*get_args(LogLevel)),
    ),
)
