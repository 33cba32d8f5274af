"""The fenced blocks of the pages in docs/, and what each kind of them means to the tests.

The info string's first word is the block's kind; the words after it are for the tests, and GitHub ignores them. So
every exception is visible where it is made:

| info string | what is done with the block |
|---|---|
| `console` | each `$` line is run, again for a while until what stands below it is in its output, `...` for anything |
| `console foreground` | stays running to the page's end, once the lines below the command have shown |
| `console foreground anew` | as before, after everything that stays running was ended |
| `console engine` | wants a container engine: only its syntax and the containers' names are checked |
| `console install` | installs something: the lines are the runner's own |
| `promql` | each query (an empty line between two) must answer with samples |
| `promql may be empty` | as `promql`, but no sample is an answer too |
| `python` | all blocks of a page are run one after the other |
| `yaml scrape`, `yaml rules` | accepted by promtool |
| `mermaid`, `nginx`, `caddyfile` | their form is checked |
| `text` | for people alone |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = tuple(ROOT / "docs" / name for name in ("monitoring.md", "security.md"))

KINDS = {
    *("console", "console foreground", "console foreground anew", "console engine", "console install"),
    *("promql", "promql may be empty", "python", "mermaid", "nginx", "caddyfile", "text"),
    *("yaml scrape", "yaml rules"),
}

_FENCE = re.compile(r"^(`{3,}|~{3,})(.*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    page: Path
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"docs/{self.page.name}:{self.line} ({self.info})"


@dataclass(frozen=True, slots=True)
class Command:
    """One `$` line of a console block, with what must be in its output."""

    block: Block
    text: str
    expected: str

    def shows(self, output: str) -> bool:
        """Whether the lines below the command are in an output, in their order."""
        pieces = [re.escape(piece.strip()) for piece in self.expected.split("...")]
        return re.search(".*?".join(pieces), output, re.DOTALL) is not None


def blocks(page: Path) -> list[Block]:
    """Read a page's fenced blocks. An open fence at the end is an error."""
    found: list[Block] = []
    fence, info, start, lines = "", "", 0, list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        match = _FENCE.match(line.strip())
        if not fence and match:
            fence, info, start, lines = match[1], match[2].strip(), number, []
        elif fence and line.strip() == fence:
            found.append(Block(page, start, info, "\n".join(lines) + "\n"))
            fence = ""
        elif fence:
            lines.append(line)
    if fence:
        raise ValueError(f"{page.name}:{start}: the block is not closed")
    return found


def of_kind(page: Path, *infos: str) -> list[Block]:
    """A page's blocks with one of these info strings."""
    return [block for block in blocks(page) if block.info in infos]


def queries(block: Block) -> list[str]:
    """The queries of a promql block: an empty line stands between two."""
    return [part.strip() for part in re.split(r"\n\s*\n", block.text) if part.strip()]


def commands(block: Block) -> list[Command]:
    """The commands of a console block. Lines that begin with `> ` go on with the command above."""
    found: list[tuple[list[str], list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif not found:
            raise ValueError(f"{block}: {line!r} stands before the first command")
        elif line.startswith("> ") and not found[-1][1]:
            found[-1][0].append(line[2:])
        else:
            found[-1][1].append(line)
    return [Command(block, "\n".join(command), "\n".join(shown).strip()) for command, shown in found]
