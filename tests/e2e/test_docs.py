"""The pages in docs/: each block is of a known kind and has the right form, and each figure is the program's."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from doradura.web import connection_limits as limits
from doradura.web import routes, server
from stack.programs import INSTALL
from tests.e2e.markdown import KINDS, PAGES, ROOT, Block, blocks, commands, of_kind, queries
from tests.programs import found

RULES = ROOT / "stack" / "prometheus" / "rules"
COMPOSE = ROOT / "stack" / "compose.yaml"

LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")

MERMAID = {
    "graph": re.compile(
        r"^(subgraph \w+(\[\".*\"\])?|end"
        r"|\w+(\[\(\".*\"\)\]|\[\".*\"\])?( (-->|-\.->)(\|[^|]+\|)? \w+(\[\".*\"\])?)?)$"
    ),
    "sequenceDiagram": re.compile(
        r"^(participant \w+( as .+)?|loop .+|end|Note (over|left of|right of) \w+(,\w+)?: .+|\w+(->>|-->>)\w+: [^;]+)$"
    ),
}
"""The lines of Mermaid that the pages use: less than Mermaid's grammar, whose own parser wants a browser."""


def page_ids(page: Path) -> str:
    """A page's name, for the test's id."""
    return page.name


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_every_block_is_of_a_known_kind(page: Path) -> None:
    """No block escapes the tests by a kind that none of them knows, and none is empty."""
    unknown = [str(block) for block in blocks(page) if block.info not in KINDS]
    assert unknown == []
    assert [str(block) for block in blocks(page) if not block.text.strip()] == []
    assert all(commands(block) for block in blocks(page) if block.info.startswith("console"))
    assert all(queries(block) for block in blocks(page) if block.info.startswith("promql"))


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a file names one that is there, and a link to a heading one that stands there."""
    broken = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in link:
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            if not target.is_file() or (anchor and anchor not in slugs(target)):
                broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_diagrams_have_a_form(page: Path) -> None:
    """Each line of a diagram is one that Mermaid has, every subgraph and loop is closed, every end has a beginning."""
    for block in of_kind(page, "mermaid"):
        first, *lines = [line.strip() for line in block.text.splitlines() if line.strip()]
        form = MERMAID[first.split()[0]]
        assert [line for line in lines if not form.match(line)] == [], block
        opened = sum(line.startswith(("subgraph", "loop")) for line in lines)
        assert lines.count("end") == opened, block


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_python_blocks_run(page: Path) -> None:
    """A page's Python runs, one block after the other, as a reader would try it."""
    names: dict[str, object] = {}
    for block in of_kind(page, "python"):
        exec(compile(block.text, str(block), "exec"), names)
    if page.name == "monitoring.md":
        assert "metrics" in names


def _promtool(*arguments: str) -> None:
    done = subprocess.run([found("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _scrape(block: Block, path: Path) -> None:
    path.write_text(block.text, encoding="utf-8")
    _promtool("check", "config", "--syntax-only", str(path))


def _rules(block: Block, path: Path) -> None:
    path.write_text(block.text, encoding="utf-8")
    _promtool("check", "rules", str(path))


YAML: dict[str, Callable[[Block, Path], None]] = {"yaml scrape": _scrape, "yaml rules": _rules}


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_yaml_blocks_are_accepted(page: Path, tmp_path: Path) -> None:
    """Prometheus' own tool accepts each configuration shown."""
    shown = [block for block in blocks(page) if block.info.startswith("yaml")]
    assert shown
    for number, block in enumerate(shown):
        YAML[block.info](block, tmp_path / f"{number}.yml")


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_proxy_configurations_have_a_form(page: Path, tmp_path: Path) -> None:
    """Braces are paired, directives ended, and it is the bot that is asked; nginx itself judges where there is one."""
    for block in of_kind(page, "nginx", "caddyfile"):
        assert block.text.count("{") == block.text.count("}"), block
        assert "127.0.0.1:9090" in block.text, block
    for block in of_kind(page, "nginx"):
        bare = [line.strip() for line in block.text.splitlines() if line.strip()]
        assert [line for line in bare if not line.endswith((";", "{", "}"))] == [], block
        if nginx := shutil.which("nginx"):
            _nginx(nginx, block, tmp_path)


def _nginx(nginx: str, block: Block, where: Path) -> None:
    key, certificate = where / "key.pem", where / "certificate.pem"
    make = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=bot.example.org -keyout {key} -out {certificate}"
    )
    subprocess.run(["bash", "-c", make], check=True, capture_output=True)
    text = block.text.replace("/etc/ssl/bot.example.org.pem", str(certificate))
    text = text.replace("/etc/ssl/bot.example.org.key", str(key))
    own = f"pid {where}/pid; error_log stderr;"
    paths = "".join(f"{of}_temp_path {where}/{of};" for of in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    whole = f"{own} events {{}} http {{ access_log off; {paths}\n{text}}}\n"
    (where / "nginx.conf").write_text(whole, encoding="utf-8")
    order = [nginx, "-t", "-p", str(where), "-c", str(where / "nginx.conf")]
    done = subprocess.run(order, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=page_ids)
def test_commands_for_a_container_engine_name_our_containers(page: Path) -> None:
    """They are good shell and name containers that compose.yaml has; where an engine answers they are run elsewhere."""
    for block in of_kind(page, "console engine"):
        for command in commands(block):
            subprocess.run(["bash", "-n", "-c", command.text], check=True)
            name = command.text.split()[-1]
            assert f"container_name: {name}\n" in COMPOSE.read_text(encoding="utf-8"), command


def test_install_lines_are_the_runners() -> None:
    """What a page says to install is what the runner itself says when it is missing."""
    shown = [
        command.text for page in PAGES for block in of_kind(page, "console install") for command in commands(block)
    ]
    assert shown == [INSTALL["prometheus"], INSTALL["alertmanager"]]


def test_limits_are_the_programs() -> None:
    """The table of limits in security.md has the figures of the code."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", page.partition("## Limits")[2], re.MULTILINE))
    assert {
        "connections at once": f"{server.CONNECTION_LIMIT}",
        "of them from one address (IPv6: one /64), except 127.0.0.1, ::1 and trusted proxies": str(
            limits.ADDRESS_LIMIT
        ),
        "of them for others than this machine and the allowed networks": f"{server.CONNECTION_LIMIT - limits.KEPT}",
        (
            "in addition, for strangers (and for 127.0.0.1 and ::1 if all others are taken); strangers reach only"
            " /health, /livez and /readyz"
        ): f"{limits.STRANGER_LIMIT}",
        "the same for a stranger": f"{server.STRANGER_IDLE_SECONDS} s",
        "all bodies to /alerts that are being read, parsed and stored": f"{routes.BODIES_LIMIT_BYTES // 2**20} MiB",
        "a request's head, and idle time between two requests": f"{server.IDLE_SECONDS} s",
        "any other body": f"{routes.BODY_LIMIT_BYTES // 2**20} MiB",
        "a body to /alerts": f"{routes.ALERTS_LIMIT_BYTES // 2**20} MiB, ten thousand alerts of 3 kB",
        "a body's time": f"{routes.BODY_SECONDS} s",
        "an answer the client doesn't read": f"{server.SEND_SECONDS} s",
    }.items() <= rows.items()


def test_rules_hold_four_scrapes_at_thirty_seconds() -> None:
    """Every range of a rule is two minutes or more, so that the interval may be doubled as monitoring.md says."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(RULES.glob("*.yml")))
    ranges = re.findall(r"\[(\d+)([smhd])(?::[^\]]*)?\]", text)
    assert ranges
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    assert [pair for pair in ranges if int(pair[0]) * units[pair[1]] < 120] == []
