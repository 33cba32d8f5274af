"""Draw docs/overview.png: `python -m tests.picture MODULES`, where `npm install` of tests/picture/page was run.

Starts the bot in its sandbox, a Prometheus and an Alertmanager, lets people ask for files for a while, and draws the
committed Overview from what Prometheus answers. By hand only: no test and no check needs it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import trio

from tests.e2e.program import running
from tests.monitors import open_monitors
from tests.picture.draw import answers, built, draw, shrink
from tests.picture.traffic import people

TARGET = Path(__file__).parent.parent.parent / "docs" / "overview.png"
WINDOW = "1m"


async def picture(modules: Path, target: Path, *, minutes: int) -> None:
    """Make the data, then the picture."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        token = directory / "data" / "webhook.token"
        async with (
            running(directory / "data", DORADURA_LOG_LEVEL="info") as program,
            open_monitors(
                directory, [program.http_url.removeprefix("http://")], token=token, scrape="2s"
            ) as prometheus,
        ):
            await trio.sleep(5)  # a few scrapes in which nothing happens
            await people(program, count=24, seconds=minutes * 60, pause_seconds=6)
            await trio.to_thread.run_sync(_draw, prometheus.url, modules, directory, target, minutes)


def _draw(url: str, modules: Path, directory: Path, target: Path, minutes: int) -> None:
    given = answers(url, "overview", minutes=minutes, window=WINDOW)
    given |= {"shown": f"Last {minutes} minutes", "window": WINDOW}
    draw(given, *built(modules, directory), target)
    shrink(target, colours=256)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.picture", description=__doc__)
    parser.add_argument("modules", type=Path, help="the node_modules directory")
    parser.add_argument("--target", type=Path, default=TARGET)
    parser.add_argument("--minutes", type=int, default=15)
    options = parser.parse_args()
    trio.run(lambda: picture(options.modules.resolve(), options.target, minutes=options.minutes))
