"""The checker: a recorded call, as GET /sandbox/requests gives it, or an update, judged by names, types and limits.

Knows no state: whether a chat exists is the sandbox's business. What it finds is one line each, with where it is.
"""

from __future__ import annotations

from typing import Any

from tests.botapi.rules import check_rules
from tests.botapi.sense import check_sense
from tests.botapi.values import Judge, from_wire, specification

__all__ = ["check_answer", "check_call", "check_update", "specification"]

MIB = 1 << 20
UPLOAD_BYTES = 50 * MIB
LOCAL_UPLOAD_BYTES = 2000 * MIB
PHOTO_BYTES = 10 * MIB
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
_ENVELOPE = frozenset({"ok", "result", "description", "error_code", "parameters"})


def check_call(call: dict[str, Any], *, is_local: bool = False) -> list[str]:
    """Judge one line of the record. Faults ordered for a test say nothing about anybody, so their answers pass."""
    name = call["method"]
    method = specification()["methods"].get(name)
    if method is None:
        return [f"{name}: no such method"]
    given, files = call.get("params") or {}, call.get("files") or {}
    judge = Judge(files=files, is_request=True, is_local=is_local)
    problems = _check_parameters(name, method["fields"], given, judge)
    problems += check_rules(name, {key: from_wire(given[key], _types(method, key)) for key in given})
    problems += _check_files(name, method["fields"], judge)
    return problems + check_answer(call)


def check_answer(call: dict[str, Any]) -> list[str]:
    """Judge only what was answered: of calls that were made wrong on purpose."""
    name, response = call["method"], call.get("response")
    if response is None or call.get("fault") is not None:
        return []
    method = specification()["methods"].get(name, {"returns": []})
    return _check_envelope(name, method["returns"], call.get("status"), response)


def check_update(update: dict[str, Any]) -> list[str]:
    """Judge an update: its id and one kind of payload, each by its type."""
    return Judge().value(update, ["Update"], "update") + _check_payload(update, "update")


def _types(method: dict[str, Any], key: str) -> list[str]:
    types: list[str] = method["fields"].get(key, [["String"]])[0]
    return types


def _check_parameters(name: str, fields: dict[str, Any], given: dict[str, Any], judge: Judge) -> list[str]:
    problems = [f"{name}.{key}: no such parameter" for key in given if key not in fields]
    for key, described in fields.items():
        path = f"{name}.{key}"
        types, required, *_ = described
        if key not in given:
            if required and key not in judge.files:
                problems.append(f"{path}: missing")
            continue
        value = from_wire(given[key], types)
        if value is None:
            problems.append(f"{path}: null")
            continue
        is_file = "InputFile" in types
        if is_file:
            problems += judge.address(value, path)
        if not (is_file and isinstance(value, str)):
            mode = given.get("parse_mode" if key in {"text", "caption"} else f"{key}_parse_mode")
            problems += judge.field(value, described, path, parse_mode=mode)
        elif "String" not in types and not value.startswith("attach://"):
            problems.append(f"{path}: {value!r} is no uploaded file")
        if required and value == "" and not any(line.startswith(f"{path}: ") for line in problems):
            problems.append(f"{path}: empty")
    return problems


def _check_files(name: str, fields: dict[str, Any], judge: Judge) -> list[str]:
    problems = []
    for part, facts in judge.files.items():
        path = f"{name}.files.{part}"
        if part in fields:
            if "InputFile" not in fields[part][0]:
                problems.append(f"{path}: no file belongs here")
        elif part not in judge.named:
            problems.append(f"{path}: named nowhere")
        if not facts.get("filename"):
            problems.append(f"{path}: without a filename it is a text")
        most = LOCAL_UPLOAD_BYTES if judge.is_local else UPLOAD_BYTES
        if part == "photo" or (name == "sendPhoto" and part in judge.named):
            most = PHOTO_BYTES
        if not 1 <= facts.get("size", 1) <= most:
            problems.append(f"{path}: {facts['size']} bytes, not 1 to {most}")
    return problems


def _check_envelope(name: str, returns: list[str], status: Any, response: Any) -> list[str]:
    if not isinstance(response, dict) or not isinstance(response.get("ok"), bool):
        return [f"{name}: no envelope"]
    problems = [f"{name}: an envelope has no {key}" for key in sorted(response.keys() - _ENVELOPE)]
    if not response["ok"]:
        return problems + _check_refusal(name, status, response)
    if status != 200:
        problems.append(f"{name}: ok with status {status}")
    problems += [f"{name}: {key} although it is ok" for key in ("error_code", "parameters") if key in response]
    if "result" not in response:
        return [*problems, f"{name}: no result"]
    result, path = response["result"], f"{name} -> result"
    problems += Judge().value(result, returns, path)
    if name == "getUpdates" and isinstance(result, list):
        problems += _check_batch(result, path)
    # How the parts fit together can be asked only of what has the right parts.
    return problems or check_sense(result, path)


def _check_refusal(name: str, status: Any, response: dict[str, Any]) -> list[str]:
    code, text = response.get("error_code"), response.get("description")
    problems = [f"{name}: a result although it is not ok"] if "result" in response else []
    if code != status or not isinstance(text, str) or not text.startswith(PREFIXES.get(status, "?")):
        return [*problems, f"{name}: status {status}, error_code {code}, description {text!r}"]
    parameters = response.get("parameters")
    if parameters is not None:
        problems += Judge().value(parameters, ["ResponseParameters"], f"{name} -> parameters")
    if code == 429:
        wait = (parameters or {}).get("retry_after")
        if not isinstance(wait, int) or wait < 1 or text != f"Too Many Requests: retry after {wait}":
            problems.append(f"{name}: retry_after {wait!r} with {text!r}")
    return problems


def _check_batch(updates: list[Any], path: str) -> list[str]:
    problems = []
    last = -1
    for number, update in enumerate(updates):
        if isinstance(update, dict):
            problems += _check_payload(update, f"{path}[{number}]")
            update_id = update.get("update_id")
            if isinstance(update_id, int):
                if update_id <= last:
                    problems.append(f"{path}[{number}].update_id: {update_id} after {last}")
                last = update_id
    return problems


def _check_payload(update: dict[str, Any], path: str) -> list[str]:
    return [] if len(update) == 2 else [f"{path}: it has {sorted(update)}"]
