"""The stack as containers: an engine played by a script, the real Compose, and the image's steps without an engine."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml

from doradura.downloads.workspace import MEMORY_BYTES
from doradura.settings.options import OPTIONS
from stack import engine
from stack.facts import Asked, settings_of
from stack.files import HERE
from stack.runner import Runner
from tests.ports import free_port

ROOT = HERE.parent
CONTAINER_USER = f"{os.getuid()}:{os.getgid()}" if os.getuid() else "10001:10001"
ENGINE = """#!{python}
# An engine that writes down how it is called, and whose `up` serves what the stack is asked for until SIGTERM.
import http.server, os, signal, sys, threading
arguments = sys.argv[1:]
with open({calls!r}, "a") as calls:
    print(*arguments, os.environ.get("DORADURA_STACK_USER"), os.environ.get("DORADURA_STACK_CONFIG"), file=calls)
if arguments == ["info"]:
    print({info!r})
    sys.exit({code})
if "up" in arguments:
    class Ready(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
    for name in ("PROMETHEUS", "ALERTMANAGER", "GRAFANA"):
        host, _, port = os.environ["DORADURA_STACK_" + name].partition(":")
        server = http.server.ThreadingHTTPServer((host, int(port)), Ready)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("containers are up", flush=True)
    signal.sigwait([signal.SIGTERM])
"""


def put_engine(tmp_path: Path, name: str = "docker", *, info: str = "fine", code: int = 0) -> Path:
    """Put an engine's client into a directory; gives the file its calls are written to."""
    calls = tmp_path / "calls"
    script = tmp_path / name
    script.write_text(ENGINE.format(python=sys.executable, calls=str(calls), info=info, code=code))
    script.chmod(0o755)
    return calls


def which_in(directory: Path) -> Any:
    """Find programs in one directory alone."""
    return lambda name: str(directory / name) if (directory / name).exists() else None


def test_what_compose_is_given_fits_a_container(tmp_path: Path) -> None:
    """Secrets in files come by value, since a container can't open them; the rest as Compose wants it."""
    secret = tmp_path / "password"
    secret.write_text("prometheus:secret\n")
    environ = {
        "DORADURA_DATA_DIR": str(tmp_path),
        "DORADURA_METRICS_BASIC_AUTH_FILE": str(secret),
        "DORADURA_STACK_PROMETHEUS": "localhost:19691",
        "DORADURA_DRAIN_SECONDS": "60",
        "DORADURA_CONCURRENT_DOWNLOADS": "3",
    }
    given = engine.Engine("docker", "1:1").environment(settings_of(environ), environ)
    assert given["DORADURA_METRICS_BASIC_AUTH"] == "prometheus:secret"
    assert given["DORADURA_STACK_PROMETHEUS"] == "127.0.0.1:19691"
    assert given["DORADURA_STACK_GRACE"] == "75s"
    assert given["DORADURA_STACK_BOT_MEMORY"] == "5120m"
    assert "DORADURA_DATABASE_URL" not in given


def test_the_bots_container_has_memory_for_all_its_downloads() -> None:
    """What the container is given for one download is what the bot allows one; a figure set by hand is kept."""
    assert engine.JOB_MEMORY_MB * 1024**2 == MEMORY_BYTES
    environ = {"DORADURA_STACK_BOT_MEMORY": "1g"}
    given = engine.Engine("docker", "1:1").environment(settings_of(environ), environ)
    assert given["DORADURA_STACK_BOT_MEMORY"] == "1g"


def test_a_client_without_its_daemon_is_no_engine(tmp_path: Path) -> None:
    """Only an engine that answers `info` is used; the next one is asked."""
    assert engine.find(which=which_in(tmp_path)) is None
    put_engine(tmp_path, "docker", code=1)
    assert engine.find(which=which_in(tmp_path)) is None
    put_engine(tmp_path, "podman")
    found = engine.find(which=which_in(tmp_path))
    assert found is not None
    assert found.tool == str(tmp_path / "podman")


@pytest.mark.parametrize("info", ["Security Options:\n  seccomp\n  rootless\n", "  security:\n    rootless: true\n"])
def test_a_rootless_engine_is_known(tmp_path: Path, info: str) -> None:
    """In a rootless engine root is this user, in another this user has the same number; root's are not root."""
    put_engine(tmp_path)
    ordinary = engine.find(which=which_in(tmp_path))
    put_engine(tmp_path, info=info)
    rootless = engine.find(which=which_in(tmp_path))
    assert ordinary is not None
    assert rootless is not None
    assert (ordinary.user, rootless.user) == (CONTAINER_USER, "0:0")


async def test_containers_are_started_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an engine files are rendered for containers, Compose runs in the foreground, and removes all at the end."""
    calls = put_engine(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    names = ("PROMETHEUS", "ALERTMANAGER", "GRAFANA")
    ports = {f"DORADURA_STACK_{name}": f"127.0.0.1:{free_port()}" for name in names}
    environ = {"DORADURA_DATA_DIR": str(tmp_path / "data"), **ports}
    said: list[str] = []
    ready = trio.Event()

    def tell(line: str) -> None:
        said.append(line)
        if "The stack is ready" in line:
            ready.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: Runner(settings_of(environ), Asked(), environ=environ, tell=tell).run(native=False))
        with trio.fail_after(30):
            await ready.wait()
        targets = (tmp_path / "data" / "stack" / "prometheus" / "targets" / "doradura-bot.yml").read_text()
        nursery.cancel_scope.cancel()
    assert "host.docker.internal:9090" in targets
    assert "containers | containers are up" in said
    compose = f"compose -f {HERE / 'compose.yaml'}"
    stack = tmp_path / "data" / "stack"
    given = f"{CONTAINER_USER} {stack}"
    for path in (stack / "prometheus", stack / "alertmanager" / "webhook.token", stack / "grafana.password"):
        assert f"{path.stat().st_uid}:{path.stat().st_gid}" == CONTAINER_USER, path
    made = [line for line in calls.read_text().splitlines() if " -f " in line]
    assert made == [f"{compose} up --remove-orphans {given}", f"{compose} --profile bot down {given}"]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """What the real Compose makes of the file, for an installation."""
    compose = Path(sys.executable).with_name("docker-compose")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DORADURA_")},
        "DORADURA_STACK_USER": "1234:5678",
        "DORADURA_STACK_CONFIG": "/somewhere",
        "DORADURA_ADMIN_IDS": "7",
    }
    command = [str(compose), "-f", str(HERE / "compose.yaml"), "--profile", "bot", "config"]
    answer = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    found: dict[str, Any] = yaml.safe_load(answer.stdout)["services"]
    return found


def test_containers_are_closed(services: dict[str, Any]) -> None:
    """Pinned images, known names, loopback ports, the files' owner, limits, back after a reboot, no more rights."""
    names = {name: service["container_name"] for name, service in services.items()}
    assert names == {
        "volumes": "doradura-volumes",
        "prometheus": "doradura-prometheus",
        "alertmanager": "doradura-alertmanager",
        "grafana": "doradura-grafana",
        "bot": "doradura-bot",
    }
    for name, service in services.items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert name == "bot" or ":" in service["image"]
        if name == "volumes":
            assert "restart" not in service
            continue
        assert service["restart"] == "unless-stopped"
        assert int(service["mem_limit"]) >= 256 * 1024**2
        assert service["user"] == "1234:5678"
        assert [port["host_ip"] for port in service["ports"]] == ["127.0.0.1"]
        assert name == "bot" or service["healthcheck"]["test"][:2] == ["CMD", "wget"]


def test_the_bots_container_can_drain(services: dict[str, Any]) -> None:
    """The bot has an init, longer to stop than its drain lasts, its secrets in files alone, and its settings."""
    bot = services["bot"]
    assert bot["init"] is True
    assert bot["profiles"] == ["bot"]
    assert bot["stop_grace_period"] == "40s"
    given = {name: value for name, value in bot["environment"].items() if value}
    assert int(given["DORADURA_DRAIN_SECONDS"]) < 40
    assert given["DORADURA_ADMIN_IDS"] == "7"
    assert not {"DORADURA_TELEGRAM_TOKEN", "DORADURA_WEBHOOK_TOKEN"} & set(given)
    mounted = {volume["target"]: volume.get("source") for volume in bot["volumes"]}
    assert mounted["/run/secrets/doradura"] == "/somewhere/bot"


NOT_IN_A_CONTAINER = {
    *("DORADURA_TELEGRAM_TOKEN", "DORADURA_WEBHOOK_TOKEN"),  # as files
    *("DORADURA_SANDBOX_BIND", "DORADURA_COOKIES_FILE"),  # no sandbox there, and no file of the host's
    *("DORADURA_STACK_PROMETHEUS", "DORADURA_STACK_ALERTMANAGER", "DORADURA_STACK_GRAFANA", "DORADURA_RUNBOOKS_URL"),
}
"""What only the renderer reads, or what a container gets another way."""


def test_the_bots_container_has_every_setting(services: dict[str, Any]) -> None:
    """A setting of the shell that starts the stack reaches the bot in its container."""
    assert {option.name for option in OPTIONS} - NOT_IN_A_CONTAINER <= set(services["bot"]["environment"])


def test_the_images_steps_work(tmp_path: Path) -> None:
    """The Dockerfile's install of the program works on a copy without the sandbox, and the result runs without it."""
    copied = _copied()
    for name in copied:
        command = ["cp", "-r", str(ROOT / name), str(tmp_path / name)]
        subprocess.run(command, check=True)
    install = next(step for step in _runs() if "rm -r doradura/sandbox" in step)
    target = tmp_path / "site"
    # As in the image, but into a directory of the test's, on top of what this environment has.
    given = install.replace("/opt/doradura/bin/python", shlex.quote(sys.executable))
    given = given.replace("pip install", f"pip install --target {shlex.quote(str(target))}")
    answer = subprocess.run(["sh", "-c", given], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert not (target / "doradura" / "sandbox").exists()
    assert (target / "doradura" / "chat" / "locale").is_dir()
    assert (target / "doradura" / "runbooks" / "runbooks.md").is_file()
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(target), "DORADURA_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, "-m", "doradura"]
    for arguments, code in ((["--version"], 0), (["health"], 1), (["run"], 2)):
        ran = subprocess.run(
            [*command, *arguments], env=environ, cwd=tmp_path / "site", capture_output=True, text=True, check=False
        )
        assert ran.returncode == code, ran.stderr


def _runs() -> list[str]:
    text = (HERE / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    return [line.removeprefix("RUN ") for line in text.splitlines() if line.startswith("RUN ")]


def _copied() -> list[str]:
    """What the Dockerfile copies from here; each must pass .dockerignore."""
    text = (HERE / "Dockerfile").read_text(encoding="utf-8")
    lines = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
    names = [name for line in lines for name in line]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{name}" for name in names} == {line for line in ignored if line.startswith("!")}
    return names
