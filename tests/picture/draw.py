"""Asks a Prometheus every query of a dashboard and draws the answers in a browser, with Grafana's own components."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import sync_playwright

from tests.dashboards import dashboard, filled
from tests.programs import found

PAGE = Path(__file__).parent / "page"
POINTS = 360
"""How many points a line has, about as many as a panel of half the width has in Grafana."""

HTML = """<!doctype html><meta charset="utf-8"><style>*{{box-sizing:border-box}}body{{margin:0;font-family:Inter}}
table{{border-spacing:0}}button{{background:none;border:0;color:inherit;font:inherit}}{styles}</style>
<div id="page"></div><script type="application/json" id="given">{given}</script><script>{script}</script>"""
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu"]


def shrink(picture: Path, *, colours: int | None = None) -> None:
    """Write a screenshot again in fewer bytes: without any loss, or with so many colours only."""
    with Image.open(picture) as taken:
        kept = taken.convert("RGB")
    if colours is not None:
        kept = kept.quantize(colours, dither=Image.Dither.NONE)
    kept.save(picture, optimize=True)


def built(modules: Path, directory: Path) -> tuple[str, str]:
    """Bundle the page with what `npm install` put into `modules`; give its script and its styles."""
    target = directory / "page.js"
    loaders = [f"--loader:.{kind}=dataurl" for kind in ("woff", "woff2", "svg", "ttf")]
    subprocess.run(
        [
            str(modules / ".bin" / "esbuild"),
            str(PAGE / "page.tsx"),
            "--bundle",
            "--minify",
            f"--outfile={target}",
            *loaders,
            '--define:process.env.NODE_ENV="production"',
        ],
        env={"NODE_PATH": str(modules), "PATH": "/usr/bin:/bin"},
        check=True,
    )
    return target.read_text(encoding="utf-8"), target.with_suffix(".css").read_text(encoding="utf-8")


def answers(url: str, name: str, *, minutes: int, window: str) -> dict[str, Any]:
    """Ask every query of a dashboard over the last minutes; give the dashboard with its answers, for the page."""
    end = time.time()
    start = end - minutes * 60
    shown = dashboard(name)
    found_answers: dict[str, list[dict[str, Any]]] = {}
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        for panel in shown["panels"]:
            for target in panel.get("targets", ()):
                expr = filled(target["expr"], window=window, step=window, shown=f"{minutes}m")
                at: dict[str, str | float] = {
                    "query": expr,
                    "start": start,
                    "end": end,
                    "step": (end - start) / POINTS,
                    "time": end,
                }
                kind = "query" if target["instant"] else "query_range"
                for series in client.get(f"/api/v1/{kind}", params=at).raise_for_status().json()["data"]["result"]:
                    found_answers.setdefault(str(panel["id"]), []).append(_line(target, panel, series))
    return {"dashboard": shown, "answers": found_answers, "from": start * 1000, "to": end * 1000}


def _line(target: dict[str, Any], panel: dict[str, Any], series: dict[str, Any]) -> dict[str, Any]:
    """Return one series as the page takes it: its name from the legend, and its points in milliseconds."""
    labels: dict[str, str] = series["metric"]
    legend: str = target["legendFormat"]
    if panel["type"] == "barchart":
        legend = f"{{{{{panel['options']['xField']}}}}}"
    name = re.sub(r"{{(\w+)}}", lambda label: labels.get(label[1], ""), legend.replace("__auto", panel["title"]))
    values = series["values"] if "values" in series else [series["value"]]
    points = [[float(when) * 1000, _number(value)] for when, value in values]
    return {"name": name, "points": points}


def _number(text: str) -> float | None:
    """Return a sample's value; a NaN is a gap."""
    value = float(text)
    return None if math.isnan(value) else value


def draw(given: dict[str, Any], script: str, styles: str, target: Path) -> None:
    """Draw the page in Chromium and keep its picture."""
    text = HTML.format(
        styles=styles, given=json.dumps(given).replace("</", "<\\/"), script=script.replace("</", "<\\/")
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found("chromium"), args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": 1616, "height": 1100})
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        # A page of its own, not a file: some of Grafana's parts want local storage. Nothing else is let through.
        page.route("**/*", lambda route: route.fulfill(body=text if route.request.url.endswith(".html") else ""))
        page.goto("http://127.0.0.1/picture.html")
        page.wait_for_selector("#page canvas")
        page.evaluate("() => document.fonts.ready")
        page.locator("#page > div").screenshot(path=target)
        browser.close()
    if faults:
        raise RuntimeError("\n".join(faults))
