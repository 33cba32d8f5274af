"""The page at /, for people who open the address in a browser, and the frame of all pages."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = (
    ":root{color-scheme:light dark;--ink:#222;--paper:#fff;--soft:#666;--line:#ddd;--link:#0b57d0;"
    "--ok:#1a7f37;--degraded:#8a5a00;--failing:#c62828}"
    "@media(prefers-color-scheme:dark){:root{--ink:#ddd;--paper:#181818;--soft:#9a9a9a;--line:#333;--link:#8ab4f8;"
    "--ok:#56d364;--degraded:#e3b341;--failing:#ff7b72}}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;"
    "color:var(--ink);background:var(--paper)}"
    "h1{margin:0}h2{font-size:1rem;margin:2rem 0 .3rem}a{color:var(--link)}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.35rem 1rem .35rem 0;border-top:1px solid var(--line);"
    "font-weight:normal}th{color:var(--soft);width:6rem}td:last-child{padding-right:0}"
    ".ok{color:var(--ok)}.degraded,.starting,.draining{color:var(--degraded)}.failing{color:var(--failing)}"
    ".status{font-size:1.25rem;margin:.3rem 0 0}"
    "pre{overflow-x:auto;border:1px solid var(--line);border-radius:.3rem;padding:.6rem .8rem;line-height:1.4}"
    "code{font:.875rem/1.4 ui-monospace,monospace}li{margin:0 0 .3rem}.names{columns:14rem}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; frame-ancestors 'none'"
"""Allows the page its own style and nothing else."""


def duration(seconds: float) -> str:
    """Return a duration as people say it, in its two largest units."""
    units = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    left = int(seconds)
    parts: list[str] = []
    for size, name in units:
        count, left = divmod(left, size)
        if count or (parts and len(parts) < 2):
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def page(facts: Mapping[str, object], report: Mapping[str, Any], links: Mapping[str, str]) -> str:
    """Return the page: the status by a health report's JSON, facts as name and value, links as path and description."""
    shown = {name: value for name, value in facts.items() if name not in {"name", "uptime_seconds"}}
    uptime = facts.get("uptime_seconds")
    if isinstance(uptime, int | float):
        shown["up for"] = duration(uptime)
    checks = {
        name: (found["status"], " - ".join(filter(None, (found["message"], found.get("advice")))))
        for name, found in report["checks"].items()
    }
    return document(
        "Doradura",
        "<h1>Doradura</h1>"
        f'<p class="status">It is {_status(report["status"])}.</p>'
        "<p>A self-hosted media bot. People use it in Telegram; this page shows its status.</p>"
        f"{_table({name: (escape(str(value)),) for name, value in shown.items()})}<h2>Checks</h2>"
        f"{_table({name: (_status(status), escape(text)) for name, (status, text) in checks.items()})}<h2>More</h2>"
        f"{_table({path: (escape(what),) for path, what in links.items()}, linked=True)}",
    )


def document(title: str, body: str) -> str:
    """Return a whole page around a body that is HTML already."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _status(status: str) -> str:
    return f'<span class="{escape(status)}">{escape(status)}</span>'


def _table(rows: Mapping[str, tuple[str, ...]], *, linked: bool = False) -> str:
    """Return the rows: a name, which may be a link to itself, and cells that are HTML already."""
    made = []
    for name, cells in rows.items():
        text = f'<a href="{escape(name)}">{escape(name)}</a>' if linked else escape(name)
        made.append(f'<tr><th scope="row">{text}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    return f"<table>{''.join(made)}</table>"
