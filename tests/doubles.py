"""Doubles for unit tests: a database in memory, a small Telegram, and scripted workers. No socket, no thread.

They are used behind the real interfaces. `FakeTelegram` answers a real `BotApi` through httpx's mock transport and
checks what the real server checks (markup, lengths, whether a message exists), so that a test with a text that Telegram
would refuse fails.
"""

from __future__ import annotations

import email
import email.policy
import json
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import trio

from doradura.media.protocol import Metadata, Order, Result, WorkerMessage
from doradura.sandbox.text.entities import units
from doradura.sandbox.text.markup import MarkupError, parse_html
from doradura.storage import Change, StorageError, Topic, Value, Watch
from doradura.storage.topics import Topics
from tests.databases import migrated

T = TypeVar("T")

BOT_ID = 4242
BOT = {"id": BOT_ID, "is_bot": True, "first_name": "Dora", "username": "dora_bot"}
TOKEN = f"{BOT_ID}:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


class Changes:
    """Wakes tests that wait for a change in the doubles."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def note(self) -> None:
        """Wake everyone who waits, because something changed."""
        self._event.set()
        self._event = trio.Event()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a change makes the condition true. Raises trio.TooSlowError after two days of the mock clock."""
        with trio.fail_after(48 * 3600):
            while not condition():
                await self._event.wait()


class MemoryStorage:
    """A storage in memory. It fails while `fault` is set, and as the next item of `faults` says."""

    def __init__(self, changes: Changes | None = None) -> None:
        self.changes = changes or Changes()
        self.db = migrated()
        self.topics = Topics()
        self.lost: set[Topic] = set()
        """The topics whose wakes are lost."""
        self.is_open = True
        self.damage: str | None = None
        self.was_touched = False
        self.fault: StorageError | None = None
        self.faults: deque[StorageError | None] = deque()
        """The errors of the next writes; None lets a write succeed."""

    async def write(self, change: Change[T]) -> T:
        """Run a change in a transaction. Raises the StorageError that a test asked for."""
        await trio.lowlevel.checkpoint()
        fault = self.fault or (self.faults.popleft() if self.faults else None)
        if fault is not None:
            raise StorageError(str(fault), reason=fault.reason)
        self.db.execute("BEGIN")
        self.db.touched.clear()
        try:
            value = change(self.db)
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        self.topics.touched(self.db.touched - self.lost)
        self.changes.note()
        return value

    async def read(self, query: Change[T]) -> T:
        """Run a query. Raises the StorageError that a test asked for."""
        await trio.lowlevel.checkpoint()
        if self.fault is not None:
            raise StorageError(str(self.fault), reason=self.fault.reason)
        return query(self.db)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Sleep until cancelled, since there is nothing to open."""
        task_status.started()
        await trio.sleep_forever()

    def watch(self, *topics: Topic) -> Watch:
        """Return a watch on topics. Wakes in `lost` do not reach it."""
        return self.topics.watch(*topics)

    def write_after_end(self, change: Change[T]) -> T:
        """Run a change."""
        return change(self.db)

    async def check_integrity(self) -> str | None:
        """Return the damage that a test set."""
        await trio.lowlevel.checkpoint()
        return self.damage

    def unusable(self) -> str | None:
        """Return None: the next start can use this storage."""
        return None

    def one(self, sql: str, *values: Value) -> Any:
        """Return the first value of a query's first row; None if there is no row."""
        row = self.db.execute(sql, values).fetchone()
        return None if row is None else row[0]


def ok(result: object) -> httpx.Response:
    """Return the server's answer to a successful request."""
    return httpx.Response(200, json={"ok": True, "result": result})


def refusal(code: int, description: str, **parameters: int) -> httpx.Response:
    """Return the server's answer to a refused request."""
    return httpx.Response(
        code, json={"ok": False, "error_code": code, "description": description, "parameters": parameters}
    )


RATE_LIMITED = refusal(429, "Too Many Requests: retry after 3", retry_after=3)
SERVER_ERROR = refusal(500, "Internal Server Error")
GARBAGE = httpx.Response(200, text="<html>captive portal</html>")
BLOCKED = refusal(403, "Forbidden: bot was blocked by the user")
TORN = httpx.ReadError("torn")
"""The request is performed, and its answer is lost."""
DOWN = httpx.ConnectError("no route")
NEVER = "never"
"""No answer at all."""
LATE = "late"
"""The request is performed, and its answer comes after the client's timeout."""
CUT = "cut"
"""The request is performed, and its answer ends in the middle."""

Fault = httpx.Response | Exception | str


@dataclass(frozen=True)
class Called:
    """A request as Telegram received it, and when, in seconds of Trio's clock."""

    method: str
    parameters: dict[str, Any]
    at: float
    files: dict[str, bytes]


@dataclass
class FakeTelegram:
    """A server that models messages: (chat id, message id) -> content."""

    called: list[Called] = field(default_factory=list)
    messages: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    faults: dict[str, deque[Fault | None]] = field(default_factory=dict)
    down: bool = False
    blocked_by: set[int] = field(default_factory=set)
    file_ids: set[str] = field(default_factory=set)
    changes: Changes = field(default_factory=Changes)
    last_id: int = 100
    updates: list[dict[str, Any]] = field(default_factory=list)
    """The updates that a poll returns until an offset confirms them."""
    done: list[Called] = field(default_factory=list)
    """The requests that were performed, whether or not their answers arrived."""

    def fail(self, method: str, *faults: Fault | None) -> None:
        """Set the faults of a method's next requests; None lets a request succeed."""
        self.faults.setdefault(method, deque()).extend(faults)

    def transport(self) -> httpx.AsyncBaseTransport:
        """Return the transport that `open_bot_api` uses in place of the network."""
        return httpx.MockTransport(self._answer)

    def all(self, method: str) -> list[Called]:
        """Return all requests of a method."""
        return [call for call in self.called if call.method == method]

    def texts(self, method: str = "sendMessage") -> list[str]:
        """Return the texts of a method's requests, with their markup."""
        return [call.parameters["text"] for call in self.all(method)]

    def files_in(self, chat_id: int) -> list[dict[str, Any]]:
        """Return the messages of a chat that are files."""
        return [found for (chat, _), found in sorted(self.messages.items()) if chat == chat_id and "file_id" in found]

    def words_in(self, chat_id: int) -> list[str]:
        """Return the present texts of a chat's messages, without those that are files."""
        found = [stands for (chat, _), stands in sorted(self.messages.items()) if chat == chat_id]
        return [stands["text"] for stands in found if "file_id" not in stands]

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path.startswith(f"/bot{TOKEN}/")
        method = request.url.path.rpartition("/")[2]
        parameters, files = _read(request)
        call = Called(method, parameters, trio.current_time(), files)
        self.called.append(call)
        faults = self.faults.get(method)
        fault = faults.popleft() if faults else None
        try:
            if self.down:
                raise DOWN
            if fault == NEVER:
                await _silence(request)
            if isinstance(fault, httpx.Response):
                return httpx.Response(fault.status_code, content=fault.content)
            if fault is DOWN:
                raise DOWN
            if method == "getUpdates":
                await self._wait_for_updates(parameters)
            answer = self._carry_out(method, parameters, files)
            if json.loads(answer.content)["ok"]:
                self.done.append(call)
            if isinstance(fault, Exception):
                raise fault
            if fault == LATE:
                await _silence(request)
            return httpx.Response(200, content=answer.content[:-3]) if fault == CUT else answer
        finally:
            self.changes.note()

    async def _wait_for_updates(self, parameters: dict[str, Any]) -> None:
        offset = parameters.get("offset", 0)
        self.updates = [update for update in self.updates if update["update_id"] >= offset]
        if not self.updates:
            await trio.sleep(parameters["timeout"])

    def _carry_out(self, method: str, parameters: dict[str, Any], files: dict[str, bytes]) -> httpx.Response:
        chat_id = parameters.get("chat_id", 0)
        if chat_id in self.blocked_by:
            return BLOCKED
        if method == "sendMessage":
            return self._put(chat_id, None, parameters, None)
        if method in {"sendAudio", "sendVideo", "sendDocument", "sendPhoto"}:
            kind = method.removeprefix("send").lower()
            return self._file((chat_id, None), kind, parameters[kind], parameters, files)
        if method in {"editMessageText", "editMessageMedia", "deleteMessage"}:
            return self._change(method, chat_id, parameters["message_id"], parameters, files)
        return ok({"getUpdates": self.updates, "getMe": BOT}.get(method, True))

    def _change(
        self, method: str, chat_id: int, message_id: int, parameters: dict[str, Any], files: dict[str, bytes]
    ) -> httpx.Response:
        old = self.messages.get((chat_id, message_id))
        if old is None:
            return refusal(400, f"Bad Request: message to {method.partition('M')[0]} not found")
        if method == "deleteMessage":
            del self.messages[chat_id, message_id]
            return ok(True)
        if method == "editMessageMedia":
            media = parameters["media"]
            return self._file((chat_id, message_id), media["type"], media["media"], media, files)
        if "file_id" in old:
            return refusal(400, "Bad Request: there is no text in the message to edit")
        if (old["text"], old["markup"]) == (parameters["text"], parameters.get("reply_markup")):
            return refusal(400, "Bad Request: message is not modified")
        return self._put(chat_id, message_id, parameters, None)

    def _file(
        self, place: tuple[int, int | None], kind: str, value: str, parameters: dict[str, Any], files: dict[str, bytes]
    ) -> httpx.Response:
        chat_id, at = place
        if value.startswith("attach://"):
            assert value.removeprefix("attach://") in files
            value = f"file-{len(self.file_ids) + 1}"
            self.file_ids.add(value)
        elif value not in self.file_ids:
            return refusal(400, "Bad Request: wrong file identifier/HTTP URL specified")
        if at is not None and self.messages[chat_id, at].get("file_id") == value:
            return refusal(400, "Bad Request: message is not modified")
        return self._put(chat_id, at, parameters, (kind, value))

    def _put(
        self, chat_id: int, at: int | None, parameters: dict[str, Any], file: tuple[str, str] | None
    ) -> httpx.Response:
        text = parameters.get("caption" if file else "text")
        if text is not None and parameters.get("parse_mode") == "HTML":
            try:
                visible, _ = parse_html(text)
            except MarkupError as error:
                return refusal(400, f"Bad Request: can't parse entities: {error}")
            assert units(visible) <= (1024 if file else 4096)
            assert visible or file
        if at is None:
            self.last_id += 1
            at = self.last_id
        stands: dict[str, Any] = {"text": text, "markup": parameters.get("reply_markup")}
        answer: dict[str, Any] = {"message_id": at, "date": 1, "chat": {"id": chat_id, "type": "private"}}
        if file:
            kind, file_id = file
            stands |= {"file_id": file_id, "kind": kind, "parameters": parameters}
            known = {"file_id": file_id, "file_unique_id": file_id}
            answer[kind] = [known] if kind == "photo" else known
        self.messages[chat_id, at] = stands
        return ok(answer)


async def _silence(request: httpx.Request) -> None:
    """Wait for the client's read timeout and raise httpx.ReadTimeout."""
    patience = request.extensions["timeout"]["read"]
    await trio.sleep(math.inf if patience is None else patience)
    raise httpx.ReadTimeout("no answer")


def _read(request: httpx.Request) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the parameters and files of a JSON or multipart request."""
    kind = request.headers["content-type"]
    if kind == "application/json":
        return json.loads(request.content), {}
    whole = b"Content-Type: " + kind.encode() + b"\r\n\r\n" + request.content
    parameters: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for part in email.message_from_bytes(whole, policy=email.policy.HTTP).iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if part.get_filename() is not None:
            files[name] = content
        elif name in {"chat_id", "message_id", "media", "duration", "width", "height"}:
            parameters[name] = json.loads(content)
        else:
            parameters[name] = content.decode()
    return parameters, files


HANG = "hang"
Step = WorkerMessage | Exception | float | str | trio.Event | Callable[[Order], WorkerMessage]
"""What a worker does next: send a message, raise an error, work for so many seconds, hang, or wait for an event."""
Script = tuple[Step, ...]


def made(size_bytes: int = 1000, *, title: str = "A song", **facts: Any) -> Callable[[Order], Result]:
    """Return a step that makes a real file of this size in the job's directory and reports it."""

    def make(order: Order) -> Result:
        assert order.variant is not None, "this order has no file to make"
        path = Path(order.directory) / f"media.{order.variant.row.extension}"
        path.write_bytes(b"m" * size_bytes)
        return Result(path=str(path), size_bytes=size_bytes, title=title, fetched_bytes=size_bytes, **facts)

    return make


WORKS: Script = (Metadata(title="A song", extraction_seconds=0.5), 1.0, made())


@dataclass
class FakeWorkers:
    """Workers that follow scripts. A script for the order's link comes first, then one for any link, then `usual`."""

    usual: Script = WORKS
    scripts: deque[Script] = field(default_factory=deque)
    by_url: dict[str, deque[Script]] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    running: int = 0
    most: int = 0
    """The largest number of workers that ran at the same time."""
    changes: Changes = field(default_factory=Changes)
    leaving_seconds: float = 0.0
    """How long a worker takes to end, also when it is cancelled."""

    def follow(self, *scripts: Iterable[Step], url: str | None = None) -> None:
        """Set the scripts of the next orders; with `url`, of that link's next orders."""
        queue = self.scripts if url is None else self.by_url.setdefault(url, deque())
        queue.extend(tuple(script) for script in scripts)

    def work(self, order: Order) -> AbstractAsyncContextManager[FakeConversation]:
        """Return a context in which a worker runs the order."""
        return self._work(order)

    @asynccontextmanager
    async def _work(self, order: Order) -> AsyncIterator[FakeConversation]:
        self.orders.append(order)
        own = self.by_url.get(order.url)
        script = own.popleft() if own else self.scripts.popleft() if self.scripts else self.usual
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await trio.lowlevel.checkpoint()
            self.changes.note()
            yield FakeConversation(order, deque(script))
        finally:
            if self.leaving_seconds:
                with trio.CancelScope(shield=True):
                    await trio.sleep(self.leaving_seconds)
            self.running -= 1
            self.changes.note()


@dataclass
class FakeConversation:
    """The conversation with the worker of one order, which follows its script."""

    order: Order
    steps: deque[Step]
    pid: int = 4321
    started_at: int = 99

    def __aiter__(self) -> FakeConversation:
        return self

    async def __anext__(self) -> WorkerMessage:
        await trio.lowlevel.checkpoint()
        while self.steps:
            step = self.steps.popleft()
            if isinstance(step, msgspec.Struct):
                return step
            if isinstance(step, Exception):
                raise step
            if isinstance(step, str):
                await trio.sleep_forever()
            elif isinstance(step, trio.Event):
                await step.wait()
            elif isinstance(step, float | int):
                await trio.sleep(step)
            else:
                return step(self.order)
        raise StopAsyncIteration
