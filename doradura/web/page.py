"""The page at /, for people who open the address in a browser."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}"
    "body{color:#222;background:#fff}"
    "dt{color:#666}dd{margin:0 0 .6rem}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}dt{color:#999}a{color:#8ab4f8}}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; frame-ancestors 'none'"
"""Allows the page its own style and nothing else."""


def duration(seconds: float) -> str:
    """A length of time as people say it, in its two largest units."""
    units = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    left = int(seconds)
    parts: list[str] = []
    for size, name in units:
        count, left = divmod(left, size)
        if count or (parts and len(parts) < 2):
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def page(facts: Mapping[str, object], links: Mapping[str, str]) -> str:
    """Write the page: facts as a list of name and value, links as path and what is there."""
    shown = dict(facts)
    uptime = shown.pop("uptime_seconds", None)
    if isinstance(uptime, int | float):
        shown["up for"] = duration(uptime)
    rows = "".join(f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in shown.items())
    items = "".join(
        f'<li><a href="{escape(path)}">{escape(path)}</a> {escape(what)}</li>' for path, what in links.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Doradura</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>Doradura</h1>"
        "<p>A self-hosted media bot. People talk to it in Telegram; here it tells how it is.</p>"
        f"<dl>{rows}</dl><ul>{items}</ul></body></html>\n"
    )
