"""The layers hold: imports point down, and what belongs to one place stays there."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent / "doradura"

MAY_IMPORT = {
    "clock": set(),
    "startup": set(),
    "settings": set(),
    "logs": set(),
    "metrics": set(),
    "health": {"health_sentences"},
    "health_sentences": set(),
    "data_directory": {"settings", "startup"},
    "memory": set(),
    "descriptors": {"health_sentences"},
    "pauses": set(),
    "telegram": set(),
    "charts": set(),
    "storage": {"descriptors", "startup", "media"},
    "sandbox": {"settings", "logs", "startup"},
    "reachable": set(),
    "runbooks": set(),
    "web": {"metrics", "health", "settings", "runbooks", "startup"},
    "media": set(),
    "workers": {"media", "startup"},
    "child": {"media", "wall"},
    "gate": {"media", "memory", "wall"},
    "wall": set(),
    "downloads": {"media", "workers", "storage", "metrics", "telegram", "settings", "startup"},
    "alerts": {"storage", "metrics", "telegram", "settings", "reachable"},
    "accounts": {"storage", "metrics", "telegram", "settings"},
    "chat": {
        "telegram",
        "downloads",
        "media",
        "accounts",
        "alerts",
        "charts",
        "health",
        "health_sentences",
        "storage",
        "metrics",
        "settings",
        "runbooks",
        "reachable",
    },
    "health_checks": {
        "alerts",
        "descriptors",
        "downloads",
        "media",
        "workers",
        "health",
        "health_sentences",
        "storage",
        "telegram",
        "settings",
    },
    "storage_check": {"health", "health_sentences", "storage"},
    "lifetime": {"alerts", "storage", "telegram"},
}
"""Who may import which of our packages. What is not named here (app, parts, cli, __main__) may import everything."""

SANDBOX_MAY_IMPORT = {
    "http": set(),
    "text": set(),
    "media": {"http"},
    "pages": {"http"},
    "state": {"http", "media"},
    "api": {"http", "text", "state"},
    "human": {"http", "text", "state"},
}
"""The same inside the sandbox. What is not named here (server) may import everything of it."""

EVERYBODY_MAY_IMPORT = {"__version__", "clock"}

ONLY_IN = {
    "httpx": {"telegram", "alerts"},
    "quart": {"web", "sandbox"},
    "quart_trio": {"web", "sandbox"},
    "hypercorn": {"web", "sandbox"},
    "h11": {"web"},
    "yt_dlp": {"child"},
    "av": {"child"},
    "babel": {"chat"},
    "matplotlib": {"charts"},
    "prometheus_client": {"metrics"},
    "regex": {"telegram"},
    "sqlite3": {"storage/sqlite", "sandbox"},
    "doradura.clock.wall_clock": {"clock", "app"},
    "doradura.storage.sqlite": {"storage/sqlite", "app", "cli"},
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


def test_children_know_no_trio_and_facts_no_library() -> None:
    """A forked child has no event loop; what both sides read needs msgspec and the standard library alone."""
    wrong = []
    for part, path, tree in modules():
        for name in imported(tree):
            first = name.partition(".")[0]
            known = first in {*sys.stdlib_module_names, "doradura", "msgspec"}
            if (part in {"child", "media"} and first in {"trio", "outcome"}) or (part == "media" and not known):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_a_module_is_short() -> None:
    """No module has more than 400 lines, no function more than 80."""
    long = []
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        nodes = ast.walk(ast.parse(text))
        functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        over = [node.name for node in functions if (node.end_lineno or node.lineno) - node.lineno >= 80]
        if over or text.count("\n") > 400:
            long.append((str(path.relative_to(ROOT)), text.count("\n"), over))
    assert long == []


def test_a_folder_is_small() -> None:
    """No folder has more than thirty modules."""
    folders = Counter(path.parent.relative_to(ROOT) for _, path, _ in modules())
    assert {folder: count for folder, count in folders.items() if count > 30} == {}


def test_hostile_files_are_read_in_children_alone() -> None:
    """No module that the bot imports leads to PyAV: what a broken file does to FFmpeg's libraries ends a job."""
    leads = {
        f"doradura.{'.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')}": set(
            imported(tree)
        )
        for _, path, tree in modules()
    }
    assert [name for name, names in leads.items() if "av" in {each.partition(".")[0] for each in names}] == [
        "doradura.child.facts",
        "doradura.child.stated",
    ]
    seen, waiting = set(), ["doradura.app"]
    while waiting:
        name = waiting.pop()
        if name not in seen and name in leads:
            seen.add(name)
            # "from doradura.a import b" may mean the module a.b.
            waiting += [each for each in leads[name] if not each.startswith("doradura.sandbox")]
            waiting += [each.rpartition(".")[0] for each in leads[name]]
    assert seen.isdisjoint({"doradura.child.facts", "doradura.child.stated"})


@pytest.mark.parametrize(
    ("module", "name", "allowed"),
    [
        # A job's child is a process of its own: it takes the proxy variables and our secrets out of its environment.
        (
            "os",
            "environ",
            {
                *("cli/edge.py", "cli/check.py", "cli/ffmpeg.py", "cli/run.py", "cli/standing_wall.py"),
                *("child/worker.py", "child/job.py"),
            },
        ),
        (
            "trio",
            "open_signal_receiver",
            {"cli/run.py", "cli/sandbox.py"},
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


def test_the_sandbox_imports_point_down() -> None:
    """Inside the sandbox, texts and HTTP know nothing, the state neither side, and the two sides not each other."""
    wrong = []
    for name, names in arrows().items():
        first, _, part = name.partition(".")
        part = part.partition(".")[0]
        for target in names:
            inner = target.removeprefix("sandbox.").partition(".")[0]
            own = first == "sandbox" and target.startswith("sandbox.")
            if own and inner not in {part, *SANDBOX_MAY_IMPORT.get(part, {inner})}:
                wrong.append(f"{name} imports {target}")
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """No module leads back to itself, whether the imports stand at the top, in a function or under TYPE_CHECKING."""
    assert circles(arrows()) == []


def test_a_circle_is_found() -> None:
    """Wherever it begins, and however many others lead into it."""
    leads = {"a": {"b"}, "b": {"c", "d"}, "c": {"e", "b"}, "d": {"d2"}, "d2": set[str](), "e": {"b"}, "f": {"f"}}
    assert circles(leads) == [{"b", "c", "e"}, {"f"}]


def arrows() -> dict[str, set[str]]:
    """Return which of our modules each of them imports, without the leading `doradura.`."""
    trees = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): tree
        for _, path, tree in modules()
    }
    found: dict[str, set[str]] = {}
    for name, tree in trees.items():
        # "from doradura.a import b" may mean the module a.b.
        inner = [each.removeprefix("doradura.") for each in imported(tree) if each.startswith("doradura.")]
        found[name] = {each if each in trees else each.rpartition(".")[0] for each in inner} & trees.keys() - {name}
    return found


def circles(leads: dict[str, set[str]]) -> list[set[str]]:
    """Return the largest groups in which each module leads to every other, in order of their first names."""
    reached: dict[str, set[str]] = {}
    for name, names in leads.items():
        seen: set[str] = set()
        waiting = [*names]
        while waiting:
            each = waiting.pop()
            if each not in seen:
                seen.add(each)
                waiting += leads[each]
        reached[name] = seen
    groups = {frozenset({other for other in reached[name] if name in reached[other]}) for name in leads}
    return sorted((set(group) for group in groups if group), key=min)
