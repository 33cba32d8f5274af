"""The same metrics from prometheus-client's own server: threads, the whole registry at once.

The measure of `scrape`. Started as `python -m tests.bench.exporter`.
"""

from __future__ import annotations

import os
import time

from prometheus_client import start_http_server

from doradura.app import App
from doradura.metrics import BuildFacts
from doradura.settings import read_settings


def main() -> None:
    """Serve until killed."""
    facts = BuildFacts(version="0", python="0", yt_dlp="0", ffmpeg="0", mode="sandbox")
    app = App(read_settings(os.environ, sandbox=True), environment={}, build=facts, ffmpeg="")
    server, _ = start_http_server(0, addr="127.0.0.1", registry=app.metrics.registry)
    print(f"serving http://127.0.0.1:{server.server_port} ", flush=True)  # noqa: T201 - who started it waits for this
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
