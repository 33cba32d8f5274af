"""The Bot API endpoint: from a request to an envelope, with injected faults in between and a line in the record.

The order of checks is the server's: token, method, (injected) flood and other faults, parameters. Files that were
uploaded with a call but not used by it are removed again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import msgspec
import trio

from doradura.sandbox.api.call import Call
from doradura.sandbox.api.methods.bot import get_updates
from doradura.sandbox.api.parameters import Parameters, ReadError, read_parameters
from doradura.sandbox.api.table import DESCRIPTIONS, METHODS, NAMES
from doradura.sandbox.http.exchange import DropConnection, Headers, HttpRequest, Response
from doradura.sandbox.state.bot import Bot
from doradura.sandbox.state.bots import TOKEN, Bots, is_token
from doradura.sandbox.state.call_record import CallRecord
from doradura.sandbox.state.faults import Fault, Faults
from doradura.sandbox.state.files import Files
from doradura.sandbox.state.floods import Floods
from doradura.sandbox.state.refusal import RefusalError
from doradura.sandbox.text.numbers import leading_integer

log = logging.getLogger(__name__)

_JSON: Headers = ((b"content-type", b"application/json"),)


@dataclass(slots=True)
class _Exchange:
    """A call in progress, and the content of its line in the record."""

    request: HttpRequest
    method: str
    number: int = 0
    parameters: Parameters = field(default_factory=Parameters)
    fault: tuple[int, Fault] | None = None
    began: float = field(default_factory=trio.current_time)


class BotApiEndpoint:
    """Answers /bot<token>/<method>."""

    def __init__(self, bots: Bots, files: Files, faults: Faults, floods: Floods, record: CallRecord) -> None:
        self._bots = bots
        self._world = bots.world
        self._files = files
        self._faults = faults
        self._floods = floods
        self._record = record

    async def answer(self, request: HttpRequest) -> Response:
        """Answer one call. Raises DropConnection if a fault says so."""
        if request.method not in {"GET", "POST"}:
            return Response(501, b"", [(b"connection", b"close")])
        token, slash, name = request.path.removeprefix("/bot").partition("/")
        if not slash:
            return Response.json({"ok": False, "error_code": 404, "description": "Not Found"}, 404)
        # Without a name in the path, the parameter `method` is the name, wherever it stands.
        exchange = _Exchange(request, _spelled(name.removeprefix("test/")))
        try:
            bot = self._bot(token)
            await read_parameters(request, self._world.blobs, exchange.parameters)
            if not exchange.method:
                exchange.method = _spelled(exchange.parameters.text("method"))
            self._arrive(exchange)
            return await self._with_faults(exchange, bot)
        except RefusalError as error:
            return await self._refused(exchange, error)
        except ReadError as error:
            if error.envelope:
                return await self._refused(exchange, RefusalError(error.status, error.description))
            self._arrive(exchange)
            self._note(exchange, error.status, None)
            return Response(error.status, b"", [(b"connection", b"close")])
        finally:
            used = self._world.blobs_known
            uploads = exchange.parameters.files.values()
            await self._world.blobs.remove([upload.blob for upload in uploads if upload.blob not in used])

    def _bot(self, token: str) -> Bot:
        """Return the bot. Raises RefusalError for a malformed token, or one with too short a secret."""
        if not TOKEN.fullmatch(token):
            raise RefusalError(401, "Unauthorized: invalid token specified")
        if not is_token(token):
            raise RefusalError(401, "Unauthorized")
        return self._bots.called(token)

    async def _with_faults(self, exchange: _Exchange, bot: Bot) -> Response:
        default = self._world.events.default_token
        chat_id = exchange.parameters.text("chat_id")
        exchange.fault = self._faults.match(exchange.method, chat_id, bot.token, default)
        fault = exchange.fault[1] if exchange.fault else None
        if fault is None:
            return await self._perform(exchange, bot)
        await trio.sleep(fault.delay_seconds)
        if fault.drop == "before":
            self._note(exchange, None, None)
            raise DropConnection
        if fault.drop == "after":
            await self._perform(exchange, bot, told=False)
            raise DropConnection
        failure = fault.envelope()
        if fault.body is not None:
            return self._sent_as_is(exchange, fault.body, failure[0] if failure else 200)
        if failure is not None:
            return await self._send(exchange, *failure)
        return await self._perform(exchange, bot)

    def _sent_as_is(self, exchange: _Exchange, body: str, status: int) -> Response:
        """Send a fault's body; only now it shows whether it is an envelope."""
        encoded = body.encode()
        try:
            value = msgspec.json.decode(encoded)
        except (msgspec.DecodeError, RecursionError):
            value = None
        is_envelope = isinstance(value, dict) and "ok" in value
        self._note(exchange, status, encoded if is_envelope else None)
        kind = b"text/html" if encoded.lstrip().startswith(b"<") else b"application/json"
        return Response(status, encoded, [(b"content-type", kind)])

    async def _perform(self, exchange: _Exchange, bot: Bot, *, told: bool = True) -> Response:
        """Perform the call; with `told` false nobody will learn the result. Raises RefusalError."""
        name = exchange.method.lower()
        call = Call(bot, exchange.parameters, self._files)
        envelope: dict[str, object] = {"ok": True}
        try:
            if name in METHODS:
                self._floods.check(bot.token, name, _chat_number(exchange.parameters.text("chat_id")))
            if name == "getupdates":
                envelope["result"] = await get_updates(call, exchange.request)
            else:
                if name not in METHODS:
                    log.warning("the sandbox has no such method", extra={"method": exchange.method[:64]})
                envelope["result"] = await METHODS.get(name, _unknown)(call)
        except RefusalError as error:
            if told:
                raise
            envelope = _failure(error)
        if name in DESCRIPTIONS and envelope["ok"]:
            envelope["description"] = DESCRIPTIONS[name]
        return await self._send(exchange, 200, envelope, told=told)

    async def _refused(self, exchange: _Exchange, error: RefusalError) -> Response:
        self._arrive(exchange)
        return await self._send(exchange, error.code, _failure(error))

    async def _send(
        self, exchange: _Exchange, status: int, envelope: dict[str, object], *, told: bool = True
    ) -> Response:
        """Encode an envelope, write the record's line, and wait until the changes are safe on disk."""
        body = msgspec.json.encode(envelope)
        self._note(exchange, status if told else None, body if told else None, empty=envelope.get("result") == [])
        await self._world.journal.flush()
        headers = list(_JSON)
        parameters = envelope.get("parameters")
        if isinstance(parameters, dict) and "retry_after" in parameters:
            headers.append((b"retry-after", str(parameters["retry_after"]).encode()))
        return Response(status, body, headers)

    def _arrive(self, exchange: _Exchange) -> None:
        if exchange.number == 0 and exchange.method != "getUpdates":
            exchange.number = self._record.arrive()

    def _note(self, exchange: _Exchange, status: int | None, envelope: bytes | None, *, empty: bool = False) -> None:
        if exchange.method == "getUpdates":
            if empty and exchange.fault is None:
                return
            exchange.number = self._record.arrive()
        self._record.add(
            exchange.number,
            exchange.method,
            exchange.parameters.texts,
            exchange.parameters.files,
            status=status,
            envelope=envelope,
            fault=exchange.fault[0] if exchange.fault else None,
            took_seconds=trio.current_time() - exchange.began,
        )


def _spelled(method: str) -> str:
    return NAMES.get(method.lower(), method)


def _chat_number(text: str) -> int | None:
    return leading_integer(text) or None


async def _unknown(_call: Call) -> object:
    raise RefusalError(404, "Not Found: method not found")


def _failure(error: RefusalError) -> dict[str, object]:
    failure: dict[str, object] = {"ok": False, "error_code": error.code, "description": error.description}
    return failure if error.parameters is None else {**failure, "parameters": dict(error.parameters)}


class Downloads:
    """Answers /file/bot<token>/<file_path>."""

    def __init__(self, bots: Bots) -> None:
        self._bots = bots

    def find(self, request: HttpRequest) -> tuple[str, int] | None:
        """Return the blob and its size, or None if the token has no such file."""
        token, _, path = request.path.removeprefix("/file/bot").partition("/")
        bot = self._bots.known(token)
        file = bot.paths.get(path.removeprefix("test/")) if bot is not None else None
        return (file.blob, file.size) if file is not None else None
