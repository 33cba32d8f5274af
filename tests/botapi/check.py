"""The checker: a recorded call, as GET /sandbox/requests gives it, or an update, judged by names, types and limits.

Knows no state: whether a chat exists is the sandbox's business. What it finds is one line each, with where it is.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.botapi.sense import check_sense

DATA = Path(__file__).parent.parent / "data" / "botapi.json"

LIMITS: dict[str, tuple[int, int]] = {
    "text": (1, 4096),
    "caption": (0, 1024),
    "callback_data": (1, 64),
}
"""Of strings, by field: least and most. A text's is counted once its markup is read, so markup may be longer."""
NOT_LISTED = frozenset({"forward_from", "forward_date"})
"""What the real server sends although the page names it no more."""
PREFIXES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
}
_SIMPLE: dict[str, tuple[type, ...]] = {
    "Integer": (int,),
    "Float": (int, float),
    "String": (str,),
    "Boolean": (bool,),
    "True": (bool,),
}


@cache
def specification() -> dict[str, Any]:
    """Give the Bot API as data."""
    found: dict[str, Any] = json.loads(DATA.read_text())
    return found


def check_call(call: dict[str, Any]) -> list[str]:
    """Judge one line of the record. Faults ordered for a test say nothing about anybody, so their answers pass."""
    name = call["method"]
    method = specification()["methods"].get(name)
    if method is None:
        return [f"{name}: no such method"]
    problems = _check_parameters(name, method["fields"], call.get("params") or {}, call.get("files") or {})
    return problems + check_answer(call)


def check_answer(call: dict[str, Any]) -> list[str]:
    """Judge only what was answered: of calls that were made wrong on purpose."""
    name, response = call["method"], call.get("response")
    if response is None or call.get("fault") is not None:
        return []
    method = specification()["methods"].get(name, {"returns": []})
    return _check_envelope(name, method["returns"], call.get("status"), response)


def check_update(update: dict[str, Any]) -> list[str]:
    """Judge an update: its id and at most one kind of payload, each by its type."""
    problems = _check_object(update, "Update", "update")
    if len(update) != 2:
        problems.append(f"update: it has {sorted(update)}")
    return problems


def _check_parameters(name: str, fields: dict[str, Any], given: dict[str, Any], files: dict[str, Any]) -> list[str]:
    problems = [f"{name}.{key}: no such parameter" for key in given if key not in fields]
    attached = {part for part in files if part not in fields}
    for key, (types, required) in fields.items():
        if key in files:
            if "InputFile" not in types:
                problems.append(f"{name}.{key}: no file belongs here")
        elif key not in given:
            if required:
                problems.append(f"{name}.{key}: missing")
        else:
            value = _from_wire(given[key], types)
            problems += _check_value(value, types, f"{name}.{key}")
            attached -= set(_attachments(value))
    return problems + [f"{name}: the file {part} is named nowhere" for part in sorted(attached)]


def _from_wire(value: Any, types: list[str]) -> Any:
    """Read a form's text as the server does, where the type is no string."""
    if not isinstance(value, str) or "String" in types or "InputFile" in types:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _attachments(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value.removeprefix("attach://")] if value.startswith("attach://") else []
    if isinstance(value, dict):
        value = list(value.values())
    return [name for each in value for name in _attachments(each)] if isinstance(value, list) else []


def _check_envelope(name: str, returns: list[str], status: Any, response: Any) -> list[str]:
    if not isinstance(response, dict) or not isinstance(response.get("ok"), bool):
        return [f"{name}: no envelope"]
    if response["ok"]:
        if status != 200:
            return [f"{name}: ok with status {status}"]
        path = f"{name} -> result"
        problems = _check_value(response.get("result"), returns, path)
        # How the parts fit together can be asked only of what has the right parts.
        return problems or check_sense(response.get("result"), path)
    code, text = response.get("error_code"), response.get("description")
    if code != status or not isinstance(text, str) or not text.startswith(PREFIXES.get(status, "?")):
        return [f"{name}: status {status}, error_code {code}, description {text!r}"]
    return []


def _check_value(value: Any, types: list[str], path: str) -> list[str]:
    """Judge a value by the alternative that fits best."""
    found = [_check_type(value, kind, path) for kind in types]
    return min(found, key=len, default=[])


def _check_type(value: Any, kind: str, path: str) -> list[str]:
    if kind.startswith("Array of "):
        if not isinstance(value, list):
            return [f"{path}: no array"]
        item = kind.removeprefix("Array of ")
        return [problem for index, each in enumerate(value) for problem in _check_type(each, item, f"{path}[{index}]")]
    if kind in _SIMPLE:
        good = isinstance(value, _SIMPLE[kind]) and (isinstance(value, bool) == (kind in {"Boolean", "True"}))
        if not good or (kind == "True" and value is not True):
            return [f"{path}: {value!r} is no {kind}"]
        return _check_limit(value, path)
    if kind == "InputFile":
        return [] if isinstance(value, str) else [f"{path}: {value!r} is no file"]
    return _check_object(value, kind, path)


def _check_limit(value: Any, path: str) -> list[str]:
    field = path.rpartition(".")[2]
    # What a person may write in the sandbox is longer than what Telegram's clients send: only a bot is held to it.
    if not isinstance(value, str) or field not in LIMITS or " -> " in path or path.startswith("update"):
        return []
    least, most = LIMITS[field]
    size = len(value.encode()) if field == "callback_data" else len(value.encode("utf-16-le")) // 2
    if "<" in value and field != "callback_data":
        most *= 8
    return [] if least <= size <= most else [f"{path}: {size} long, not {least} to {most}"]


def _check_object(value: Any, kind: str, path: str) -> list[str]:
    thing = specification()["types"].get(kind)
    if thing is None:
        return [f"{path}: no such type as {kind}"]
    if thing["subtypes"]:
        return _check_value(value, thing["subtypes"], path)
    if not isinstance(value, dict):
        return [f"{path}: {value!r} is no {kind}"]
    fields = thing["fields"]
    problems = [f"{path}.{key}: {kind} has no such field" for key in value if key not in fields.keys() | NOT_LISTED]
    for key, (types, required) in fields.items():
        if key not in value:
            if required:
                problems.append(f"{path}.{key}: missing in {kind}")
        elif value[key] is None:
            problems.append(f"{path}.{key}: null")
        else:
            problems += _check_value(value[key], types, f"{path}.{key}")
    return problems
