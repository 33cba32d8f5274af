"""A job that has a puzzle of YouTube's solved by yt-dlp's own means. Loaded by the fork server, never by pytest.

The script that solves it is a stand-in: a player is worked out in 3 s of the real runtime's time, a solved one at once.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import yt_dlp.extractor.youtube  # noqa: F401 -- loaded before the fork, as the program does
from yt_dlp.extractor.youtube.jsc._builtin import ejs
from yt_dlp.extractor.youtube.jsc._director import initialize_jsc_director
from yt_dlp.extractor.youtube.jsc.provider import JsChallengeRequest, JsChallengeType, NChallengeInput

from doradura.child.failures import classify
from doradura.child.fetching import Extractor, restrain
from doradura.media.protocol import PLAYERS_DIRECTORY, Emit, Failure, Order, Result

PLAYER = "https://www.youtube.com/s/player/00000000/player_es6.vflset/en_US/base.js"
CORE = """
function jsc(input) {
  if (input.type === "player") { const until = Date.now() + 3000; while (Date.now() < until) {} }
  const turned = (text) => [...text].reverse().join("");
  return {type: "result", preprocessed_player: "solved", responses: input.requests.map((request) => ({
    type: "result", data: Object.fromEntries(request.challenges.map((each) => [each, turned(each)])),
  }))};
}
"""


def run_job(order: Order, emit: Emit) -> None:
    """Solve it; the result's title is JSON. What follows `#` in the order's url is done to the kept players first."""
    restrain()
    extractor = Extractor(order, None)
    found = sorted(path.name for path in Path(PLAYERS_DIRECTORY).rglob("*.json"))
    _scripted()
    site = extractor.get_info_extractor("Youtube")
    site._load_player = lambda **_: "a player"
    request = JsChallengeRequest(JsChallengeType.N, NChallengeInput(PLAYER, ["abcdefgh"]), "x")
    began = time.monotonic()
    try:
        solved = [response.output.results for _, response in initialize_jsc_director(site).bulk_solve([request])]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        reason, detail = classify(error, generic=False)
        emit(Failure(reason=reason, detail=detail))
        return
    told: dict[str, Any] = {"solved": solved, "seconds": time.monotonic() - began, "found": found}
    told["log"] = list(extractor.params["logger"])
    for file in Path(PLAYERS_DIRECTORY).rglob("*.json"):
        _spoil(file, order.url.partition("#")[2])
    if order.url.endswith("#out"):
        told["out"] = _out()
    emit(Result(path="/nowhere/x", size_bytes=1, title=json.dumps(told)))


def _scripted() -> None:
    codes = {ejs.ScriptType.LIB: "const lib = {};", ejs.ScriptType.CORE: CORE}

    def script(_: object, kind: Any) -> Any:
        return ejs.Script(kind, ejs.ScriptVariant.MINIFIED, ejs.ScriptSource.PYPACKAGE, "0", codes[kind])

    ejs.EJSBaseJCP._get_script = script


def _spoil(file: Path, how: str) -> None:
    if how == "poison":
        file.write_text("nothing of the kind")
    elif how == "link":
        file.unlink()
        file.symlink_to("/etc/passwd")


def _out() -> str:
    """What the runtime can do with every permission of its own."""
    attempts = {
        "read": 'Deno.readTextFile("/etc/passwd")',
        "write": 'Deno.writeTextFile("/tmp/doradura-was-here", "x")',
        "listen": "Deno.listen({ port: 0 })",
        "run": 'new Deno.Command("/bin/sh").output()',
        "own": f'Deno.writeTextFile("{Path.cwd()}/mine", "x")',
    }
    lines = [
        f"try {{ await {what}; said.{name} = true; }} catch {{ said.{name} = false; }}"
        for name, what in attempts.items()
    ]
    code = "\n".join(["const said = {};", *lines, "console.log(JSON.stringify(said));"])
    program = [str(Path(os.environ["PATH"]) / "deno"), "run", "-A", "--no-prompt", "-"]
    return subprocess.run(program, input=code, capture_output=True, text=True, check=True).stdout
