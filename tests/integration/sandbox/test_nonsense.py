"""Whatever a client sends, each method answers with an envelope of the Bot API's types, and the sandbox goes on."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

from doradura.sandbox import SANDBOX_TOKEN
from doradura.sandbox.api.table import NAMES
from tests.botapi.check import specification
from tests.integration.sandbox.conftest import Client
from tests.integration.sandbox.test_members import BOT_ID
from tests.integration.sandbox.test_methods import PNG, upload

SEED = 5
DEEPEST = 4
JUNK: tuple[Any, ...] = (
    *(None, "", " ", "null", "0", "-1", "1e9", "{}", "[]", '{"a": 1}', "true", "9" * 30, "\0", "😀" * 10, "<b>", "*"),
    *("attach://x", "http://x.y/z", [], {}, [None], [{}], [[{"text": "a"}]], [5], 5, True, 1.5, 10**18, {"type": "x"}),
)
TEXTS = (
    "x",
    "XTR",
    "a *b* <i>c</i>",
    "HTML",
    "MarkdownV2",
    "photo",
    "video",
    "https://example.org",
    "chat",
    "emoji",
    "👍",
)
SIMPLE: dict[str, tuple[Any, ...]] = {
    "Integer": (0, 1, 5, 60, 2_592_000, 2_000_000_000, -3),
    "Float": (1.5, -200.0),
    "Boolean": (True, False),
    "True": (True,),
    "String": TEXTS,
    "InputFile": ("x",),
}


class Maker:
    """Makes values of the types the Bot API names."""

    def __init__(self, chats: list[int], files: list[str]) -> None:
        self._random = random.Random(SEED)
        self._named: dict[str, list[Any]] = {"chat_id": chats, "from_chat_id": chats, "user_id": [1000, 2000, BOT_ID]}
        self._named |= {"message_id": list(range(1, 20)), "media": files, "photo": files, "file_id": files}

    def parameters(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return what is required and some of what is not."""
        return {
            name: self._value(types, name, 0)
            for name, (types, required, *_limits) in fields.items()
            if required or self._random.random() < 0.2
        }

    def _value(self, types: list[str], name: str, depth: int) -> Any:
        if name in self._named and depth == 0:
            return self._random.choice(self._named[name])
        kind = self._random.choice(types)
        if kind.startswith("Array of "):
            item = [kind.removeprefix("Array of ")]
            return [self._value(item, "", depth + 1) for _ in range(self._random.randint(1, 3))]
        if kind in SIMPLE or depth > DEEPEST:
            return self._random.choice(SIMPLE.get(kind, TEXTS))
        thing = specification()["types"].get(kind, {"subtypes": [], "fields": {}})
        if thing["subtypes"]:
            return self._value([self._random.choice(thing["subtypes"])], name, depth)
        return {
            key: self._value(each, key, depth + 1)
            for key, (each, required, *_limits) in thing["fields"].items()
            if required or self._random.random() < 0.3
        }


def nonsense(maker: Maker) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return calls with one wrong value each: all the junk for each object or array, by turns for what is simple."""
    turns, judged = itertools.cycle(JUNK), set()
    for method in NAMES.values():
        fields = specification()["methods"][method]["fields"]
        yield method, maker.parameters(fields)
        for name, (types, *_rest) in fields.items():
            thorough = not set(types) & SIMPLE.keys() and name not in judged
            judged.add(name)
            for junk in JUNK if thorough else (next(turns),):
                yield method, {**maker.parameters(fields), name: junk}


async def test_nonsense_is_answered(client: Client) -> None:
    """As JSON and as a form by turns; every answer, and the updates of it, are judged when the test ends."""
    await client.result("getMe")
    chats = [1000, 2000]
    for kind in ("group", "supergroup"):
        chat = await client.act("chats", title="G", type=kind, member_ids=[1000, 2000])
        await client.act(f"chats/{chat['id']}/members", user_id=BOT_ID, status="administrator")
        chats.append(chat["id"])
    sent = await upload(client, "sendPhoto", {"photo": ("a.png", PNG)}, chat_id="1000")
    maker = Maker(chats, [sent["result"]["photo"][0]["file_id"]])
    forms = itertools.cycle((False, True))
    for name, given in nonsense(maker):
        if name in {"getUpdates", "leaveChat"}:
            continue
        form = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
        body: dict[str, Any] = {"data": form} if next(forms) else {"json": given}
        answer = await client.http.post(f"/bot{SANDBOX_TOKEN}/{name}", **body)
        assert answer.status_code in {200, 400, 403}, (name, given)
    assert (await client.result("getUpdates", limit=100))[0]["update_id"] > 0
    assert (await client.result("sendMessage", chat_id=1000, text="on"))["text"] == "on"
