"""The sentences that the checks of /health report: the English templates, and how a sentence is built from them.

Imports nothing of ours. A sentence keeps its template and its values apart until somebody reads it: a monitor gets the
English, a person in a chat the translation into their language (`chat.texts`), whose msgid is the template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from functools import reduce
from types import MappingProxyType
from typing import TypeAlias


@unique
class HealthText(StrEnum):
    """An English template. Names in braces stand for values; markup is shown as it is."""

    NO_ANSWER = "no answer within {seconds} s"
    CHECK_BROKE = "the check itself failed ({error}); see the log"

    LOOP_UNMEASURED = "the event loop's lag is not measured"
    LOOP_BLOCKED = "the event loop was blocked for {seconds} s in the last minute"
    LOOP_LATE = "the event loop was {seconds} s late in the last minute"
    LOOP_PAUSED = "the event loop is on time, except for {seconds} s when the process was stopped or the machine asleep"
    LOOP_ON_TIME = "the event loop is on time"

    DISK_UNREADABLE = "the free space of the data directory can't be read ({error})"
    DISK_FULL = "{left} free in the data directory: downloads and the database will stop soon"
    DISK_LOW = "{left} free in the data directory: large downloads may fail"
    DISK_FREE = "{left} free in the data directory"

    DATABASE_CLOSED = "the database is not open"
    WRITE_WAITS = "a write has been waiting for {seconds} s - another program locked the database, or the disk hangs"
    WRITE_FAILED = "{error} - {advice}"
    DATABASE_DAMAGED = "the database is damaged ({damage}): save what can be saved - {advice}"
    DATABASE_UNUSABLE = "{fault}: the next start would fail - fix its permissions"
    WRITE_COMMITTED = "a write was committed"
    SEE_RUNBOOK = "see StorageFailing in the runbooks"
    SEE_LOG_AND_DISK = "see the log and the disk"

    TELEGRAM_HOLDS = "Telegram told the bot to wait with {holds} - it then resumes by itself"
    METHOD_HELD = "{method} for another {seconds} s"
    CHATS_HELD = "messages to every chat for another {seconds} s"
    NOT_POLLED = "Telegram has not answered a poll yet"
    NO_DESCRIPTORS_FOR_TELEGRAM = "Telegram can't be reached: {reason}"
    NO_DESCRIPTORS = "this process has too many files open - raise its limit (ulimit -n, LimitNOFILE=)"
    POLL_UNREACHABLE = "Telegram can't be reached - is this machine online?"
    POLL_CONFLICT = "another program polls with this token - stop the other instance, or get a new token"
    POLL_RATE_LIMITED = "Telegram asked the bot to wait before the next poll"
    POLL_STORE_FAILING = "updates can't be stored and stay at Telegram - see the storage check"
    POLL_SILENT = "Telegram has not answered a poll for {seconds} s - is it reachable?"
    POLL_ANSWERED = "Telegram answers"

    NO_ADMIN = "no admin is set - set DORADURA_ADMIN_IDS to your Telegram user id"
    ALERTS_NOT_TOLD = "alerts are not told yet"
    WAITING_UNKNOWN = "the number of waiting notifications is unknown: {error} - see the storage check"
    ALERT_NOT_ACCEPTED = "an alert has waited {seconds} s to be sent - Telegram does not accept it"
    ALERT_NOT_SENT = "an alert has waited {seconds} s to be sent - see the log"
    CHATS_REFUSED = "Telegram refuses messages to {chats}"
    ADMIN_REFUSED = "an admin ({who}) - {remedy}"
    CHAT_REFUSED = "a chat ({who}) - {remedy}"
    TOPIC_GONE = "that topic no longer exists: choose another in DORADURA_ALERT_CHATS and restart the bot"
    ADMIN_MUST_START = "they must send /start to the bot"
    CHAT_MUST_ADMIT = "add the bot there with the right to write, or change DORADURA_ALERT_CHATS"
    CHATS_REACHED = "every chat that alerts go to can be reached"
    NOTICE_GIVEN_UP = (
        "{delivery}; {count} notice given up in the last 24 h, which Telegram did not accept in any form ({error})"
        " - /alerts lists them"
    )
    NOTICES_GIVEN_UP = (
        "{delivery}; {count} notices given up in the last 24 h, which Telegram did not accept in any form ({error})"
        " - /alerts lists them"
    )
    UNMONITORED = (
        "nothing monitors this bot yet: `just stack` starts Prometheus and Alertmanager, see docs/monitoring.md"
    )

    SELF_TEST_RUNS = "the first self-test is running"
    SELF_TEST_FAILED = "the self-test failed: {fault} - run `just doctor` for details"
    GATE_DOWN = "the gate, which makes the downloads' connections, is not running: {fault} - see the log"
    SELF_TEST_UNPLACED = "could not make its directory: {error} ({path})"
    SELF_TEST_UNGUARDED = "the egress guard is not in place"
    SELF_TEST_UNANSWERED = "the worker ended without an answer"
    USER_WAITS = (
        "every worker slot is taken, and {count} user has waited up to {minutes} min"
        " - see DORADURA_CONCURRENT_DOWNLOADS and /user"
    )
    USERS_WAIT = (
        "every worker slot is taken, and {count} users have waited up to {minutes} min"
        " - see DORADURA_CONCURRENT_DOWNLOADS and /user"
    )
    SELF_TEST_PASSED = "a worker passed the self-test"
    SELF_TEST_PASSED_WALLED = "a worker passed the self-test behind the kernel's wall ({kind})"
    YTDLP_A_DAY_OLD = "yt-dlp is {count} day old, and sites change: run `just update-ytdlp` and restart"
    YTDLP_DAYS_OLD = "yt-dlp is {count} days old, and sites change: run `just update-ytdlp` and restart"

    NO_WALL = (
        "the kernel has no wall for workers, so the audit hook alone guards them ({reason})"
        ' - see "Without a wall" in docs/security.md'
    )

    NO_IMPERSONATION = (
        "requests can't look like a browser's, so Instagram and others turn downloads away"
        ' - see "Impersonation" in docs/security.md'
    )

    AND = "{first}; {next}"
    AND_TO = "{first}; and to {next}"


PLURALS: Mapping[HealthText, HealthText] = MappingProxyType(
    {
        HealthText.NOTICE_GIVEN_UP: HealthText.NOTICES_GIVEN_UP,
        HealthText.USER_WAITS: HealthText.USERS_WAIT,
        HealthText.YTDLP_A_DAY_OLD: HealthText.YTDLP_DAYS_OLD,
    }
)
"""Templates with a plural: singular (the msgid) -> plural (the msgid_plural)."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A template and its values. `str(sentence)` is the English."""

    text: HealthText
    values: Mapping[str, Value] = field(default_factory=dict)
    count: int | None = None
    """For a text of `PLURALS`: the number that selects the form and is the value of `{count}`."""

    def __str__(self) -> str:
        """Return the English."""
        return rendered(self, english)


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of at least one value. `joined_by` joins what precedes, `{first}`, with the following value, `{next}`."""

    joined_by: HealthText
    items: tuple[Value, ...]

    def __str__(self) -> str:
        """Return the English."""
        return rendered(self, english)


Value: TypeAlias = str | HealthText | Sentence | Listed
"""What fills a place in a template: words from elsewhere, a template without values, a sentence, or a list."""

Fill: TypeAlias = Callable[[HealthText, int | None, Mapping[str, str]], str]
"""Returns a template filled in one language; takes the template, the number that selects its form, and its values."""


def english(text: HealthText, count: int | None, values: Mapping[str, str]) -> str:
    """Return the English template, in the form for `count`, filled with the values."""
    template = text if count in {None, 1} else PLURALS[text]
    return template.format_map(values)


def rendered(value: Value, fill: Fill) -> str:
    """Return a value as text. `fill` is called for each of its templates, from the innermost to the outermost."""
    match value:
        case HealthText():
            return fill(value, None, {})
        case Sentence():
            values = {name: rendered(inner, fill) for name, inner in value.values.items()}
            if value.count is not None:
                values["count"] = str(value.count)
            return fill(value.text, value.count, values)
        case Listed():
            return reduce(
                lambda first, following: fill(value.joined_by, None, {"first": first, "next": following}),
                [rendered(item, fill) for item in value.items],
            )
    return value
