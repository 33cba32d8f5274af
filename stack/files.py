"""The stack's files: the committed ones beside this package, and the rendered ones in DATA_DIR/stack.

Guarantees that only their owner can read rendered files (directories 0700, files 0600), and that a program that reads
one while it is rendered again sees the old text or the new one, never a part.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from stack.facts import Asked, Facts, facts_of, kept_secret
from stack.render import RULES, alert_rules, render
from stack.thresholds import FILE, Wanted, applied, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from doradura.settings import Settings

HERE = Path(__file__).parent
CONFIGURED = ("prometheus", "alertmanager", "grafana")
RENDERED = (*CONFIGURED, "bot")
GRAFANA_PASSWORD = "grafana.password"  # noqa: S105 - a file's name
"""Kept between starts; Grafana shows its dashboards without it and needs it only for changing things."""


def committed() -> dict[str, str]:
    """Read the committed configuration: path below stack/ -> text."""
    return {
        str(path.relative_to(HERE)): path.read_text(encoding="utf-8")
        for part in CONFIGURED
        for path in sorted((HERE / part).rglob("*"))
        if path.is_file() and path.suffix in {".yml", ".json"}
    }


def stack_directory(settings: Settings) -> Path:
    """Return the directory of everything that belongs to the stack."""
    return settings.data_dir / "stack"


def wanted_thresholds(settings: Settings, files: Mapping[str, str]) -> dict[str, Wanted]:
    """Read this installation's thresholds for the alerts of `files`. Raises ThresholdError."""
    trees = (yaml.safe_load(text) for path, text in files.items() if path.startswith(RULES))
    alerts = frozenset(str(rule["alert"]) for tree in trees for rule in alert_rules(tree))
    return read(stack_directory(settings) / FILE, alerts)


def render_for_start(settings: Settings, asked: Asked) -> Facts:
    """Render for these settings into DATA_DIR/stack, and create what is kept there. Return the facts used.

    Raises StackError.
    """
    directory = stack_directory(settings)
    facts = render_into(directory, settings, asked)
    with closed_umask():
        kept_secret(directory / GRAFANA_PASSWORD)
    return facts


def render_into(directory: Path, settings: Settings, asked: Asked) -> Facts:
    """Render for these settings, and this installation's thresholds, into a directory. Return the facts used.

    Raises StackError, with nothing rendered.
    """
    with closed_umask():
        files = committed()
        wanted = wanted_thresholds(settings, files)
        facts = facts_of(settings, asked, directory)
        replace_files(directory, render(applied(files, wanted), facts))
    return facts


def replace_files(directory: Path, files: Mapping[str, str]) -> None:
    """Make the rendered parts of a directory contain exactly these files."""
    for relative, text in files.items():
        path = directory / relative
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            made = path.with_name(f".{path.name}.new")
            made.unlink(missing_ok=True)
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
            made.replace(path)
        path.chmod(0o600)
    for part in RENDERED:
        for path in (directory / part).rglob("*"):
            if path.is_file() and str(path.relative_to(directory)) not in files:
                with suppress(FileNotFoundError):
                    path.unlink()


def give_to(directory: Path, user: str) -> None:
    """Make a user ("uid:gid") own the rendered files if root rendered them; anybody else renders as that user."""
    if os.getuid():
        return
    uid, _, gid = user.partition(":")
    for part in (*RENDERED, GRAFANA_PASSWORD):
        for path in (directory / part, *(directory / part).rglob("*")):
            if path.exists():
                os.chown(path, int(uid), int(gid))


@contextmanager
def closed_umask() -> Iterator[None]:
    """Make files created in the block unreadable for others."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
