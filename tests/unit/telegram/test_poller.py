"""The long poll against a scripted Telegram."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from doradura.telegram import errors
from doradura.telegram.client import BotApi
from doradura.telegram.poller import Poller, RawUpdate, UpdatesNotStoredError
from doradura.telegram.types import decode_update

BOT = {"id": 1, "is_bot": True, "first_name": "B", "username": "b_bot"}
WEBHOOK = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
OTHER = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


def update(number: int, text: str = "hi") -> dict[str, object]:
    """Return an update of user 6 in chat 5."""
    return {
        "update_id": number,
        "message": {
            "message_id": 1,
            "date": 1,
            "chat": {"id": 5, "type": "private"},
            "from": {"id": 6, "first_name": "U", "is_bot": False},
            "text": text,
        },
    }


class Bench:
    """A poller on a scripted Telegram, with everything it did."""

    def __init__(self, api: BotApi, telegram: Any, seen: Any, make: Any) -> None:
        self.telegram = telegram
        self.make = make
        self.stored: list[list[int]] = []
        self.raw: list[RawUpdate] = []
        self.store_errors: list[Exception] = []
        self.started: list[str | None] = []
        self.states: list[str] = []
        self.played = trio.Event()
        telegram.on_asked = self.note_state
        self.poller = Poller(
            api,
            store=self.store,
            allowed_updates=["message", "callback_query"],
            observer=seen,
            draw=lambda: 0.0,
        )

    def note_state(self) -> None:
        self.states.append(self.poller.state)

    async def store(self, updates: Sequence[RawUpdate]) -> None:
        self.stored.append([update.update_id for update in updates])
        if self.store_errors:
            raise self.store_errors.pop(0)
        self.raw.extend(updates)

    def script(self, *polls: Any) -> None:
        """Let the start go well, then answer the polls so; after the last one, Telegram has nothing to say."""
        results = [self.make.ok(poll) if isinstance(poll, list) else poll for poll in polls]
        self.telegram.steps = [self.make.ok(BOT), self.make.ok(True), *results]
        self.telegram.last = self.nothing

    async def nothing(self) -> httpx.Response:
        self.played.set()
        return await self.stuck()

    async def stuck(self) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    @property
    def polls(self) -> list[dict[str, Any]]:
        return [asked.parameters for asked in self.telegram.asked if asked.method == "getUpdates"]

    @property
    def poll_times(self) -> list[float]:
        times = [asked.at for asked in self.telegram.asked if asked.method == "getUpdates"]
        return [round(at - times[0], 3) for at in times]

    @property
    def offsets(self) -> list[int | None]:
        return [poll.get("offset") for poll in self.polls]

    @asynccontextmanager
    async def running(self) -> Any:
        async with trio.open_nursery() as nursery:
            user = await nursery.start(self.poller.run)
            self.started.append(user.username)
            yield
            nursery.cancel_scope.cancel()

    async def run_through(self) -> None:
        """Run the poller until the script is played, which it never is when updates are lost or polls stop."""
        with trio.fail_after(3600):
            async with self.running():
                await self.played.wait()


@pytest.fixture
def bench(api: BotApi, telegram: Any, seen: Any, make: Any) -> Bench:
    """Return a poller that is not running yet."""
    return Bench(api, telegram, seen, make)


async def test_stores_then_confirms(bench: Bench, seen: Any, autojump_clock: MockClock) -> None:
    """The first poll has no offset, and each later one confirms exactly what was stored before it."""
    bench.script([update(100), update(101)], [update(102)])

    await bench.run_through()

    assert bench.telegram.methods == ["getMe", "deleteWebhook", "getUpdates", "getUpdates", "getUpdates"]
    assert bench.started == ["b_bot"]
    assert bench.stored == [[100, 101], [102]]
    assert bench.offsets == [None, 102, 103]
    assert [poll["timeout"] for poll in bench.polls] == [0, 45, 45], "the first one does not wait"
    assert bench.polls[1]["allowed_updates"] == ["message", "callback_query"]
    assert (seen.polls, bench.poller.state) == (2, "polling")
    first = bench.raw[0]
    assert (first.update_id, first.kind, first.chat_id, first.user_id) == (100, "message", 5, 6)


async def test_what_cannot_be_stored_is_not_confirmed(
    bench: Bench, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """A failing store leaves the updates at Telegram: they are asked for with the same offset, ever more slowly.

    The log says so in a line a minute; a fault of ours in it has its traceback.
    """
    bench.script([update(1)], [update(2)], [update(2)], [update(2)])
    bench.store_errors = []

    async def fail_later(updates: Sequence[RawUpdate]) -> None:
        await Bench.store(bench, updates)
        if len(bench.stored) == 1:
            bench.store_errors = [UpdatesNotStoredError("disk full"), ZeroDivisionError()]

    bench.poller._store = fail_later
    await bench.run_through()

    assert bench.stored == [[1], [2], [2], [2]]
    assert bench.offsets == [None, 2, 2, 2, 3]
    assert bench.poll_times == [0, 0, 1, 3, 3]
    assert "store_failing" in bench.states
    assert bench.poller.state == "polling"
    told = [record for record in caplog.records if "could not be stored" in record.getMessage()]
    assert [record.exc_info is None for record in told] == [True, False]
    assert told[0].getMessage() == "getUpdates: 1 updates could not be stored, they stay at Telegram: disk full"


async def test_follows_ids_that_fall(bench: Bench, autojump_clock: MockClock) -> None:
    """Telegram restarts its ids at random, so only the last batch says what to confirm."""
    bench.script([update(900_000_000)], [update(5), update(6)], [update(7)])

    await bench.run_through()

    assert bench.stored == [[900_000_000], [5, 6], [7]]
    assert bench.offsets == [None, 900_000_001, 7, 8]


async def test_repeats_are_handed_on(bench: Bench, autojump_clock: MockClock) -> None:
    """Whether an update is known is the store's to say."""
    bench.script([update(1)], [update(1), update(2)])

    await bench.run_through()

    assert bench.stored == [[1], [1, 2]]


async def test_a_malformed_update_is_passed_over_alone(bench: Bench, seen: Any, autojump_clock: MockClock) -> None:
    """The others of its batch are stored, and it is confirmed with them."""
    bench.script([update(1), 17, {"message": {}}, {"update_id": "5"}, {"update_id": -1}, None, update(2)])

    await bench.run_through()

    assert bench.stored == [[1, 2]]
    assert bench.offsets == [None, 3]
    assert seen.malformed == 5


@pytest.mark.parametrize("alone", [True, False])
async def test_a_deeply_nested_update_is_confirmed(bench: Bench, autojump_clock: MockClock, *, alone: bool) -> None:
    """20,000 brackets, more than a decoder follows, end nothing: their update is stored without them and confirmed."""
    deep = json.dumps(update(2)).replace('"hi"', '"h]i", "x": ' + "[" * 20_000 + "]" * 20_000)
    others = [] if alone else [json.dumps(update(1)), json.dumps(update(3))]
    items = ", ".join([*others[:1], deep, *others[1:]])
    bench.script([update(0)], httpx.Response(200, text=f'{{"ok": true, "result": [{items}]}}'))

    await bench.run_through()

    assert bench.stored == [[0], [2] if alone else [1, 2, 3]]
    assert bench.offsets == [None, 1, 3 if alone else 4]
    [kept] = [raw for raw in bench.raw if raw.update_id == 2]
    assert (kept.kind, kept.chat_id, kept.user_id) == ("message", 5, 6)
    message = decode_update(kept.raw).message
    assert message is not None
    assert message.text == "h]i"


async def test_updates_that_are_nothing_but_depth_are_passed_over(
    bench: Bench, seen: Any, autojump_clock: MockClock
) -> None:
    """Without an id to confirm, or with the depths where something is needed, only that one update is lost."""
    deep = "[" * 20_000 + "]" * 20_000
    broken = f'{{"update_id": 4, "message": {deep}}}'
    bench.script(httpx.Response(200, text=f'{{"ok": true, "result": [{deep}, {broken}, {json.dumps(update(5))}]}}'))

    await bench.run_through()

    assert bench.stored == [[4, 5]]
    assert bench.offsets == [None, 6]
    assert seen.malformed == 1
    with pytest.raises(errors.MalformedUpdateError):
        decode_update(bench.raw[0].raw)


async def test_malformed_updates_alone_do_not_spin(bench: Bench, autojump_clock: MockClock) -> None:
    """They come again at once and cannot be confirmed, so the poller takes its time."""
    bench.script([17], [17], [17, update(4)])

    await bench.run_through()

    assert bench.poll_times == [0, 5, 10, 10]
    assert bench.offsets == [None, None, None, 5]


async def test_numbers_too_large_to_be_stored_are_confirmed_alone(
    bench: Bench, seen: Any, autojump_clock: MockClock
) -> None:
    """Good updates beside them come first; then they are confirmed in one poll, and no later one names their offset."""
    huge = {"update_id": 2**63, "message": {}}
    bench.script([update(4), huge], [huge, {"update_id": 2**62 + 1}], [update(5)], [])

    await bench.run_through()

    assert bench.stored == [[4], [5]]
    assert bench.offsets == [None, 5, 2**63 + 1, 6, 6]
    assert seen.malformed == 3


async def test_a_confirmed_number_too_large_is_forgotten(bench: Bench, autojump_clock: MockClock) -> None:
    """Also where nothing came with the poll that confirmed it; one of a thousand digits is not read at all."""
    bench.script([{"update_id": 2**70}], [], [{"update_id": 10**999}], [])

    await bench.run_through()

    assert bench.offsets == [None, 2**70 + 1, None, None, None]


async def test_empty_answers_at_once_do_not_spin(bench: Bench, autojump_clock: MockClock) -> None:
    """Something between that answers every poll with nothing gets one a second; the first asks for that."""
    bench.script([], [], [])

    await bench.run_through()

    assert bench.poll_times == [0, 0, 1, 2]


async def test_conflicts_back_off_and_are_logged_once_a_minute(
    bench: Bench, seen: Any, make: Any, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """A second instance is waited for, from 5 s up to 30 s, without a line in the log for each refusal."""
    bench.script(*[make.refusal(409, OTHER)] * 5, [update(1)])
    await bench.run_through()

    assert bench.poll_times == [0, 5, 15, 35, 65, 95, 95]
    assert seen.conflicts == 5
    assert [record.message for record in caplog.records if "Conflict" in record.message] == [
        f"getUpdates: {OTHER} (is a second instance running?)"
    ] * 2
    assert "conflict" in bench.states
    assert bench.telegram.methods.count("deleteWebhook") == 1


async def test_a_webhook_that_was_set_meanwhile_is_removed(bench: Bench, make: Any, autojump_clock: MockClock) -> None:
    """Somebody set a webhook while the bot ran: it is removed again, as polls are refused until then."""
    bench.script(make.refusal(409, WEBHOOK), make.ok(True), [update(1)])

    await bench.run_through()

    assert bench.telegram.methods[2:5] == ["getUpdates", "deleteWebhook", "getUpdates"]


async def test_a_429_is_waited_out(bench: Bench, make: Any, autojump_clock: MockClock) -> None:
    """The poll waits for as long as Telegram says, and half a second more; the one after it does not wait for news."""
    bench.script(make.refusal(429, "Too Many Requests: retry after 50", retry_after=50), [update(1)])

    await bench.run_through()

    assert bench.poll_times[:2] == [0, 50.5]
    assert [asked.parameters["timeout"] for asked in bench.telegram.asked if asked.method == "getUpdates"][:2] == [0, 0]


async def test_a_429_that_says_no_time_is_not_asked_again_twice_a_second(
    bench: Bench, make: Any, autojump_clock: MockClock
) -> None:
    """The poll's intervals grow as after any failure."""
    bench.script(*[make.refusal(429, "Too Many Requests", retry_after=-5)] * 8, [update(1)])

    await bench.run_through()

    gaps = [after - before for before, after in pairwise(bench.poll_times[:9])]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 10


async def test_no_429_makes_the_bot_deaf_for_a_day(bench: Bench, make: Any, autojump_clock: MockClock) -> None:
    """However long Telegram says, the poll asks again after a minute; so does the start."""
    day = make.refusal(429, "Too Many Requests: retry after 86400", retry_after=86_400)
    bench.script(day, [update(1)])
    bench.telegram.steps.insert(0, day)

    await bench.run_through()

    assert bench.poll_times[:2] == [0, 60]
    assert 120 <= trio.current_time() < 200


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("no"),
        httpx.ReadError("torn"),
        httpx.ReadTimeout("silent"),
        httpx.Response(502, content=b"<html>502 Bad Gateway</html>"),
        httpx.Response(200, content=b'{"ok": true, "result": [{"upda'),
        httpx.Response(200, content=b'{"ok": true, "result": {"a": 1}}'),
        httpx.Response(500, json={"ok": False, "error_code": 500, "description": "Internal Server Error: restart"}),
        httpx.Response(400, json={"ok": False, "error_code": 400, "description": "Bad Request: whatever"}),
    ],
    ids=lambda trouble: type(trouble).__name__,
)
async def test_no_trouble_ends_the_polling(bench: Bench, trouble: Any, autojump_clock: MockClock) -> None:
    """After any failure the poller goes on, at first after a second, and takes its confirmation with it."""
    bench.script([update(1)], trouble, trouble, [update(2)])
    await bench.run_through()

    assert bench.stored == [[1], [2]]
    assert bench.offsets == [None, 2, 2, 2, 3]
    assert bench.poll_times[:4] == [0, 0, 1, 3]
    assert "unreachable" in bench.states
    assert bench.poller.state == "polling"


async def test_a_poll_that_never_returns_is_cut_off(
    open_api: Any, telegram: Any, seen: Any, make: Any, autojump_clock: MockClock
) -> None:
    """Whatever the layers below do, a poll ends 20 s after its time, and the next one has a new connection."""
    made: list[httpx.AsyncBaseTransport] = []

    def make_transport() -> httpx.AsyncBaseTransport:
        made.append(telegram.transport())
        return made[-1]

    async with open_api(make_transport=make_transport) as api:
        bench = Bench(api, telegram, seen, make)
        bench.script([update(1)], bench.stuck, [update(2)])
        await bench.run_through()

    assert bench.poll_times[:3] == [0, 0, 66]
    # One for getMe and deleteWebhook, one for the first two polls, one for the third.
    assert len(made) == 3


@pytest.mark.parametrize("end", ["cut off", "torn"])
async def test_a_pause_of_the_process_is_no_outage(bench: Bench, autojump_clock: MockClock, end: str) -> None:
    """A poll during which the process was stopped (SIGSTOP, a sleeping laptop) is made anew at once, and no fault."""

    async def stopped() -> httpx.Response:
        autojump_clock.jump(120)
        if end == "torn":
            raise httpx.ReadError("the connection is gone")
        return await bench.stuck()

    bench.script([], stopped, [])
    await bench.run_through()
    assert bench.poll_times[2] - bench.poll_times[1] == pytest.approx(120, abs=0.1)
    assert set(bench.states[2:]) == {"starting", "polling"}
    assert bench.states[-2:] == ["polling", "polling"]


async def test_waits_for_telegram_at_start(bench: Bench, make: Any, autojump_clock: MockClock) -> None:
    """An outage at start is waited out before "started" is said; the bot does not die of it."""
    bench.script([update(1)])
    bench.telegram.steps = [
        *[httpx.ConnectError("no")] * 30,
        httpx.Response(502, content=b"<html>"),
        make.refusal(429, "Too Many Requests", retry_after=3),
        *bench.telegram.steps,
    ]

    await bench.run_through()

    assert bench.started == ["b_bot"]


@pytest.mark.parametrize(
    ("code", "description"), [(401, "Unauthorized"), (404, "Not Found"), (401, "Unauthorized: invalid token specified")]
)
async def test_a_refused_token_ends_the_poller(
    bench: Bench, make: Any, code: int, description: str, autojump_clock: MockClock
) -> None:
    """With a wrong token nothing can ever work: at start and later the error travels."""
    bench.telegram.steps = [make.refusal(code, description)]
    with pytest.raises(errors.TokenRefusedError):
        await bench.poller.run()

    bench.script([], make.refusal(code, description))
    with pytest.raises(errors.TokenRefusedError):
        await bench.poller.run()
