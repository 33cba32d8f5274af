"""The programs of the native stack, their command lines, and what to install if one is missing.

It starts nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from doradura.settings import Address, Settings
from stack.durations import divided
from stack.facts import kept_secret
from stack.files import GRAFANA_PASSWORD
from stack.record import TERM_SECONDS

RETENTION = "30d"
RESEND = "1m"
"""Prometheus's own default: how soon an alert that still fires is sent to Alertmanager again."""
APT = "apt-get install -y --no-install-recommends"
INSTALL = {
    "prometheus": f"{APT} prometheus",
    "alertmanager": f"{APT} prometheus-alertmanager",
    "grafana": "Debian doesn't package Grafana; its makers do: https://grafana.com/docs/grafana/latest/setup-grafana/installation/",
}
BINARIES = {
    "prometheus": ("prometheus",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "grafana": ("grafana", "grafana-server"),
}
"""Debian's name first, then upstream's."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one part of the stack answers, and the setting that says so."""

    name: str
    bind: Address
    ready_path: str
    setting: str

    @property
    def url(self) -> str:
        """The URL for a browser on this machine."""
        return f"http://{self.bind.reachable}"

    @property
    def ready_url(self) -> str:
        """The URL that answers 200 once the part works."""
        return f"{self.url}{self.ready_path}"


@dataclass(frozen=True, slots=True)
class Program:
    """A program to start. It has `term_seconds` to exit when asked to."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    term_seconds: float = TERM_SECONDS


def places(settings: Settings) -> dict[str, Place]:
    """Return where each part of the stack answers, by name."""
    found = (
        Place("prometheus", settings.stack_prometheus, "/-/ready", "DORADURA_STACK_PROMETHEUS"),
        Place("alertmanager", settings.stack_alertmanager, "/-/ready", "DORADURA_STACK_ALERTMANAGER"),
        Place("grafana", settings.stack_grafana, "/api/health", "DORADURA_STACK_GRAFANA"),
    )
    return {place.name: place for place in found}


def found(
    settings: Settings, directory: Path, *, speed: float = 1.0, which: Callable[[str], str | None] = shutil.which
) -> tuple[list[Program], list[str]]:
    """Return the programs that are installed, and the names of the missing ones. `directory` is DATA_DIR/stack."""
    programs, missing = [], []
    makers: dict[str, Callable[[str, Settings, Path], Program]] = {
        "prometheus": partial(_prometheus, speed=speed),
        "alertmanager": _alertmanager,
        "grafana": _grafana,
    }
    for name, make in makers.items():
        binary = next((path for path in map(which, BINARIES[name]) if path is not None), None)
        if binary is None:
            missing.append(name)
        else:
            programs.append(make(binary, settings, directory))
    return programs, missing


def _prometheus(binary: str, settings: Settings, directory: Path, *, speed: float) -> Program:
    bind = settings.stack_prometheus
    # An alert that fires before Prometheus has found its Alertmanager is delivered only when it is sent again.
    resend = [] if speed == 1 else [f"--rules.alert.resend-delay={divided(RESEND, speed)}"]
    command = (
        binary,
        f"--config.file={directory / 'prometheus' / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data' / 'prometheus'}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--web.listen-address={bind}",
        f"--web.external-url=http://{bind.reachable}",
        "--web.enable-lifecycle",
        "--enable-feature=exemplar-storage",
        *resend,
    )
    return Program("prometheus", command)


def _alertmanager(binary: str, settings: Settings, directory: Path) -> Program:
    bind = settings.stack_alertmanager
    command = (
        binary,
        f"--config.file={directory / 'alertmanager' / 'alertmanager.yml'}",
        f"--storage.path={directory / 'data' / 'alertmanager'}",
        f"--web.listen-address={bind}",
        f"--web.external-url=http://{bind.reachable}",
        "--cluster.listen-address=",  # otherwise it opens 9094 on every interface
    )
    return Program("alertmanager", command)


def _grafana(binary: str, settings: Settings, directory: Path) -> Program:
    bind = settings.stack_grafana
    home = _grafana_home(Path(binary))
    server = ("server",) if Path(binary).name == "grafana" else ()
    rendered, data = directory / "grafana", directory / "data" / "grafana"
    password = kept_secret(directory / GRAFANA_PASSWORD)
    environment = {
        "GF_SERVER_HTTP_ADDR": bind.host,
        "GF_SERVER_HTTP_PORT": str(bind.port),
        "GF_SERVER_ROOT_URL": f"http://{bind.reachable}/",
        "GF_PATHS_PROVISIONING": str(rendered / "provisioning"),
        "GF_PATHS_DATA": str(data),
        "GF_PATHS_LOGS": str(data / "log"),
        "GF_PATHS_PLUGINS": str(data / "plugins"),
        "GF_LOG_MODE": "console",
        "GF_SECURITY_ADMIN_PASSWORD": password,
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(rendered / "dashboards" / "overview.json"),
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    }
    command = (binary, *server, "--homepath", str(home))
    return Program("grafana", command, environment)


def _grafana_home(binary: Path) -> Path:
    """Return Grafana's own directory: its binary's in the archive, /usr/share/grafana as a package."""
    beside = Path(os.path.realpath(binary)).parent.parent
    return beside if (beside / "conf" / "defaults.ini").exists() else Path("/usr/share/grafana")


def how_to_have(missing: Sequence[str]) -> list[str]:
    """Say what is missing and how to install it: in one command what one command installs."""
    by_apt = [name for name in missing if INSTALL[name].startswith(APT)]
    lines = []
    if by_apt:
        names = " and ".join(name.capitalize() for name in by_apt)
        packages = " ".join(INSTALL[name].removeprefix(APT).strip() for name in by_apt)
        are = "is" if len(by_apt) == 1 else "are"
        them = "it" if len(by_apt) == 1 else "them"
        lines.append(f"{names} {are} not installed; the stack runs without {them}. To install {them}: {APT} {packages}")
    return lines + [
        f"{name.capitalize()} is not installed; the stack runs without it. To install it: {INSTALL[name]}"
        for name in missing
        if name not in by_apt
    ]
