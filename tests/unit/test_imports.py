"""The layers hold: imports point down, and what belongs to one place stays there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent / "doradura"

MAY_IMPORT = {
    "clock": set(),
    "settings": set(),
    "logs": set(),
    "metrics": set(),
    "health": set(),
    "data_directory": set(),
    "memory": set(),
    "descriptors": set(),
    "pauses": set(),
    "telegram": set(),
    "charts": set(),
    "storage": {"settings", "descriptors"},
    "sandbox": {"settings", "logs"},
    "reachable": set(),
    "runbooks": set(),
    "web": {"metrics", "health", "settings", "runbooks"},
    "downloads": {"storage", "metrics", "telegram", "settings"},
    "alerts": {"storage", "metrics", "telegram", "settings"},
    "accounts": {"storage", "metrics", "telegram", "settings"},
    "chat": {
        "telegram",
        "downloads",
        "accounts",
        "alerts",
        "charts",
        "health",
        "storage",
        "metrics",
        "settings",
        "runbooks",
        "reachable",
    },
    "checks": {"alerts", "descriptors", "downloads", "health", "storage", "telegram", "settings"},
    "check": {"settings", "storage", "telegram"},
    "storage_check": {"health", "storage"},
    "lifetime": {"alerts", "storage", "telegram"},
}
"""Who may import which of our packages. What is not named here (app, __main__) may import everything."""

EVERYBODY_MAY_IMPORT = {"__version__", "clock"}

ONLY_IN = {
    "httpx": {"telegram", "alerts"},
    "quart": {"web", "sandbox"},
    "quart_trio": {"web", "sandbox"},
    "hypercorn": {"web", "sandbox"},
    "h11": {"web"},
    "yt_dlp": {"downloads"},
    "av": {"downloads"},
    "matplotlib": {"charts"},
    "prometheus_client": {"metrics"},
    "sqlite3": {"storage/sqlite", "sandbox"},
    "doradura.clock.wall_clock": {"clock", "app"},
    "doradura.storage.sqlite": {"storage/sqlite", "app", "check"},
}
"""Libraries, and modules of ours, that one place alone may know: a part, or a folder in one."""


def modules() -> Iterator[tuple[str, Path, ast.Module]]:
    """Return (part, file, tree) of every module."""
    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT)
        yield relative.parts[0].removesuffix(".py"), path, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Return the dotted names a module imports, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_our_imports_point_down() -> None:
    """A part imports only the parts below it."""
    wrong = []
    for part, path, tree in modules():
        for name in imported(tree):
            first, _, rest = name.partition(".")
            target = rest.partition(".")[0]
            if (
                first == "doradura"
                and target not in {part, *EVERYBODY_MAY_IMPORT}
                and target not in MAY_IMPORT.get(part, {target})
            ):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_libraries_stay_in_their_place() -> None:
    """A library with a place of its own is imported nowhere else."""
    wrong = []
    for _, path, tree in modules():
        where = path.relative_to(ROOT).with_suffix("").as_posix()
        for name in imported(tree):
            for library, places in ONLY_IN.items():
                known = f"{name}.".startswith(f"{library}.")
                if known and not any(f"{where}/".startswith(f"{place}/") for place in places):
                    wrong.append(f"{where} imports {name}")
    assert wrong == []


def test_hostile_files_are_read_in_children_alone() -> None:
    """No module that the bot imports leads to PyAV: what a broken file does to FFmpeg's libraries ends a job."""
    leads = {
        f"doradura.{'.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')}": set(
            imported(tree)
        )
        for _, path, tree in modules()
    }
    assert [name for name, names in leads.items() if "av" in {each.partition(".")[0] for each in names}] == [
        "doradura.downloads.facts",
        "doradura.downloads.stated",
    ]
    seen, waiting = set(), ["doradura.app"]
    while waiting:
        name = waiting.pop()
        if name not in seen and name in leads:
            seen.add(name)
            # "from doradura.a import b" may mean the module a.b.
            waiting += [each for each in leads[name] if not each.startswith("doradura.sandbox")]
            waiting += [each.rpartition(".")[0] for each in leads[name]]
    assert seen.isdisjoint({"doradura.downloads.facts", "doradura.downloads.stated"})


@pytest.mark.parametrize(
    ("module", "name", "allowed"),
    [
        # A job's child is a process of its own: it takes the proxy variables and our secrets out of its environment.
        (
            "os",
            "environ",
            {"__main__.py", "downloads/worker.py", "downloads/job.py"},
        ),
        (
            "trio",
            "open_signal_receiver",
            {"__main__.py"},
        ),
    ],
)
def test_the_process_edge(module: str, name: str, allowed: set[str]) -> None:
    """The environment and signals are met at the edge of a process only."""
    found = {
        str(path.relative_to(ROOT))
        for _, path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == module
    }
    assert found <= allowed


def test_the_sandbox_is_imported_only_when_asked_for() -> None:
    """No import of the sandbox stands at a module's top level outside the sandbox itself."""
    wrong = [
        str(path.relative_to(ROOT))
        for part, path, tree in modules()
        if part != "sandbox"
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported(ast.Module(body=[node], type_ignores=[]))
        if name.startswith("doradura.sandbox")
    ]
    assert wrong == []


def test_no_module_level_mutable_state() -> None:
    """No module binds a list, dict or set literal at its top level, nor says `global`: two apps can share a process."""
    wrong = []
    for _, path, tree in modules():
        wrong += [
            f"{path.relative_to(ROOT)}:{node.lineno} global" for node in ast.walk(tree) if isinstance(node, ast.Global)
        ]
        for node in tree.body:
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if (
                isinstance(value, ast.List | ast.Set | ast.ListComp | ast.SetComp)
                and names
                and not names[0].startswith("__")
            ):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {names[0]}")
    assert wrong == []
