"""An Alertmanager and a Prometheus in memory, which can be down in every possible way."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
import trio

from doradura.clock import Clock

Answer = Callable[[httpx.Request], httpx.Response]


def stamp(at_ms: int) -> str:
    """Return a time as Alertmanager writes it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


@dataclass
class Monitoring(ABC):
    """What both have in common: `mode` says how it is down."""

    mode: str = "ok"
    asked: list[tuple[str, str]] = field(default_factory=list)

    def transport(self) -> httpx.MockTransport:
        """Return the transport for a client."""
        return httpx.MockTransport(self._handle)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        self.asked.append((request.method, request.url.path))
        if self.mode == "nothing":
            await trio.sleep_forever()
        broken = {"down": httpx.ConnectError("refused"), "torn": httpx.ReadError("torn")}
        if self.mode in broken:
            raise broken[self.mode]
        instead = {
            "500": httpx.Response(500, text="<b>broken</b> " * 1000),
            "404": httpx.Response(404, text="no such page"),
            "garbage": httpx.Response(200, text="<html>"),
            "deep": httpx.Response(200, text="[" * 100_000),
            "redirect": httpx.Response(302, headers={"Location": "http://elsewhere.example/"}),
        }
        if self.mode in instead:
            return instead[self.mode]
        if self.mode == "huge":
            return httpx.Response(200, content=b"[" + b" " * 9_000_000 + b"]")
        answer = self.answer(request)
        is_lost = self.mode.startswith("lost") and request.method in {"POST", "DELETE"}
        if is_lost and self.mode == "lost, then down":
            self.mode = "down"  # before the checkpoint, so that no other task's request comes in between
        await trio.lowlevel.checkpoint()
        if is_lost:
            raise httpx.ReadError("lost")
        return answer

    @abstractmethod
    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer when nothing is wrong."""


DOWN = {
    "down": "unreachable",
    "nothing": "silent",
    "torn": "silent",
    "500": "refused",
    "redirect": "refused",
    "garbage": "garbage",
    "deep": "garbage",
    "huge": "too_large",
}
"""Each way to be down, and its name."""


@dataclass
class FakeAlertmanager(Monitoring):
    """Silences and alerts, and since when it has been running."""

    clock: Clock = field(kw_only=True)
    silences: dict[str, dict[str, Any]] = field(default_factory=dict)
    fingerprints: list[str] = field(default_factory=list)
    watchdog: bool = False
    """Whether the watchdog is among the alerts."""
    started_ms: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    """Further fields of each answer."""
    instead: dict[str, httpx.Response] = field(default_factory=dict)
    """The answer on a path instead of its content."""
    queries: list[str] = field(default_factory=list)
    """The requested paths, with their queries."""
    made: Callable[[], None] = lambda: None
    """Called when a silence was made, before that is answered."""
    listed: Callable[[], None] = lambda: None
    """Called when the silences were listed, before that is answered."""

    def active(self) -> list[dict[str, Any]]:
        """Return the active silences."""
        return [item for item in map(self._shown, self.silences.values()) if item["status"]["state"] == "active"]

    def _shown(self, item: dict[str, Any]) -> dict[str, Any]:
        over = item.get("deleted") or datetime.fromisoformat(item["endsAt"]).timestamp() * 1000 <= self.clock()
        return {**item, "status": {"state": "expired" if over else "active"}, "updatedAt": stamp(self.clock())}

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer as Alertmanager 0.25 does."""
        path = request.url.path
        self.queries.append(request.url.raw_path.decode())
        if path in self.instead:
            return httpx.Response(200, content=self.instead[path].content)
        if path == "/api/v2/silences" and request.method == "POST":
            silence_id = f"silence-{len(self.silences) + 1}"
            self.silences[silence_id] = {"id": silence_id, **json.loads(request.content)}
            self.made()
            return httpx.Response(200, json={"silenceID": silence_id})
        lists: dict[str, Any] = {
            "/api/v2/silences": [self._shown(item) for item in self.silences.values()],
            "/api/v2/alerts": [
                *({"fingerprint": item, "labels": {}} for item in self.fingerprints),
                *([{"fingerprint": "w", "labels": {"alertname": "Watchdog"}}] if self.watchdog else []),
            ],
            "/api/v2/status": {"uptime": stamp(self.started_ms), "config": {"original": ""}},
        }
        if path in lists:
            if path == "/api/v2/silences":
                self.listed()
            return httpx.Response(200, json=lists[path], headers=self.headers)
        return self._one(request.method, path.rpartition("/")[2])

    def _one(self, method: str, silence_id: str) -> httpx.Response:
        if silence_id not in self.silences:
            return httpx.Response(404, json="silence not found")
        shown = self._shown(self.silences[silence_id])
        if method == "GET":
            return httpx.Response(200, json=shown)
        if shown["status"]["state"] == "expired":
            return httpx.Response(500, json="silence already expired")
        self.silences[silence_id]["deleted"] = True
        return httpx.Response(200)


@dataclass
class FakePrometheus(Monitoring):
    """The results of queries, by their text; an unknown query is a bad one."""

    results: dict[str, list[tuple[dict[str, str], Sequence[float | str | None]]]] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer as Prometheus 2.42 does; the values are at the first requested times."""
        if request.url.path == "/api/v1/rules":
            rules = [{"name": name, "query": query, "type": "alerting"} for name, query in self.rules.items()]
            return httpx.Response(200, json={"status": "success", "data": {"groups": [{"name": "g", "rules": rules}]}})
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        self.queries.append(form["query"])
        if form["query"] not in self.results:
            return httpx.Response(400, json={"status": "error", "errorType": "bad_data", "error": "parse error"})
        start, step = float(form["start"]), float(form["step"])
        result = [
            {"metric": metric, "values": [[start + at * step, str(v)] for at, v in enumerate(values) if v is not None]}
            for metric, values in self.results[form["query"]]
        ]
        return httpx.Response(200, json={"status": "success", "data": {"resultType": "matrix", "result": result}})
