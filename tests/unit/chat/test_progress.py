"""The words and buttons of progress messages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doradura.chat.cards import CardTexts
from doradura.chat.progress import ProgressTexts, failure_text
from doradura.chat.texts import Catalogues
from doradura.downloads.stages import (
    Accepted,
    Cancelled,
    Converting,
    Failed,
    Fetching,
    Paused,
    Retrying,
    Sending,
    Stage,
    Starting,
    Waiting,
    Working,
)
from doradura.media.formats import FORMATS
from doradura.media.protocol import Failure, Size
from doradura.media.reasons import Reason
from doradura.media.variant import Variant
from doradura.storage.offers import Offer
from doradura.telegram.types import Button
from doradura.telegram.units import units
from tests.jobs import running_job

JOB = running_job(job_id=77, url="https://a.example/?a=1&b=2", site="youtube", variant=Variant("m4a", "default"))
OFFER = Offer(
    offer_id=5, user_id=1, chat_id=1, reply_to=3, url="https://a.example/", message_id=4, state="shown", tries=0
)
SHOWN = ProgressTexts(Catalogues(), 50 << 20)
AGAIN = "others were waiting, so this one lets them go first"
DASH = "\N{EN DASH}"


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        (Accepted(), f"📥 <b>m4a</b> {DASH} I have your link."),
        (Starting(), f"⏳ <b>m4a</b> {DASH} starting…"),
        (Waiting(0), f"⏳ <b>m4a</b> {DASH} in the queue, yours is next."),
        (Waiting(1), f"⏳ <b>m4a</b> {DASH} in the queue, 1 download before yours."),
        (Waiting(2), f"⏳ <b>m4a</b> {DASH} in the queue, 2 downloads before yours."),
        (
            Waiting(0, gave_up=True),
            f"⏳ <b>m4a</b> {DASH} {AGAIN}. It's next and starts over by itself.",
        ),
        (
            Waiting(2, gave_up=True),
            f"⏳ <b>m4a</b> {DASH} {AGAIN}: 2 downloads before it. It starts over by itself.",
        ),
        (
            Paused("youtube"),
            f"⏸ <b>m4a</b> {DASH} I'm giving youtube a break; this download continues by itself after that.",
        ),
        (Working(), f"🔎 <b>m4a</b> {DASH} looking at the link…"),
        (Fetching("A", 0, 1_000_000, None), "⬇️ <b>A</b> (m4a)\n░░░░░░░░░░ 0 %\n1 kB of 1.0 MB"),
        (Fetching("A", 1_500_000, 1_000_000, None), "⬇️ <b>A</b> (m4a)\n▓▓▓▓▓▓▓▓▓▓ 100 %\n1.5 MB of 1.0 MB"),
        (Fetching("A", 1_500_000, None, 5000.0), "⬇️ <b>A</b> (m4a)\n1.5 MB so far · 5 kB/s"),
        (Fetching("A", 1_500_000, 0, 0.0), "⬇️ <b>A</b> (m4a)\n1.5 MB so far"),
        (
            Fetching("A", 450_000, 2_500_000, 180_000.0),
            "⬇️ <b>A</b> (m4a)\n▓▓░░░░░░░░ 18 %\n450 kB of 2.5 MB · 180 kB/s · about 11 s left",
        ),
        (
            Fetching("A", 10_000_000, 40_000_000, 90_000.0),
            "⬇️ <b>A</b> (m4a)\n▓▓░░░░░░░░ 25 %\n10.0 MB of 40.0 MB · 90 kB/s · about 6 min left",
        ),
        (Fetching("A", 10, 40_000_000_000, 9.0), "⬇️ <b>A</b> (m4a)\n░░░░░░░░░░ 0 %\n1 kB of 40.0 GB · 1 kB/s"),
        (Converting("A", 0.5, 61.0), "⚙️ <b>A</b> (m4a)\n▓▓▓▓▓░░░░░ 50 %\nConverting… · about 1 min left"),
        (Converting("A", 0.999, 0.2), "⚙️ <b>A</b> (m4a)\n▓▓▓▓▓▓▓▓▓▓ 100 %\nConverting…"),
        (Converting("A"), "⚙️ <b>A</b> (m4a)\nConverting…"),
        (Sending("A"), "⬆️ <b>A</b> (m4a)\nSending…"),
        (Retrying(Reason.RATE_LIMITED, 20), "🔁 <b>m4a</b>\nThe site asked for a pause. I'll try again in 20 s."),
        (Cancelled(), "✖ Cancelled: <b>https://a.example/?a=1&amp;b=2</b>"),
        (Cancelled(title="A <film>"), "✖ Cancelled: <b>A &lt;film&gt;</b>"),
        (Cancelled(by_admin=True, title="A"), "✖ An admin of this bot cancelled this download: <b>A</b>"),
    ],
)
def test_a_stage_reads_so(stage: Stage, text: str) -> None:
    """Nothing unknown is shown as a figure."""
    assert SHOWN.stage(JOB, stage)[0] == text


@pytest.mark.parametrize("stage", [Sending("A"), Failed(Reason.PRIVATE), Cancelled()])
def test_what_can_not_be_cancelled_has_no_button(stage: Stage) -> None:
    """All before that has one, with the job's id."""
    assert SHOWN.stage(JOB, stage)[1] is None
    for cancellable in (Waiting(0), Paused("x"), Working(), Fetching("A", 0, None, None), Retrying(Reason.NETWORK, 2)):
        keyboard = SHOWN.stage(JOB, cancellable)[1]
        assert keyboard is not None
        assert keyboard[0][0].callback_data == "c:77"


def test_a_failure_says_what_to_do_and_which_link() -> None:
    """With the limit and the minutes that are really meant."""
    assert SHOWN.stage(JOB, Failed(Reason.GONE))[0].splitlines()[1] == (
        '<a href="https://a.example/?a=1&amp;b=2">https://a.example/?a=1&amp;b=2</a>'
    )
    assert SHOWN.stage(replace(JOB, reply_to=5), Failed(Reason.GONE))[0].count("\n") == 0, "it quotes the link already"
    assert "longer than 10 minutes" in SHOWN.stage(JOB, Failed(Reason.DEADLINE))[0]
    assert "longer than 1 minute," in failure_text(
        Catalogues().for_language(None), Reason.DEADLINE, "https://a.example/", 1, minutes=1
    )


@pytest.mark.parametrize("reason", sorted(Reason))
def test_a_failure_that_may_pass_has_a_button(reason: Reason) -> None:
    """It names the job; where trying again would end the same way, or a file may be there, there is none."""
    lasting = {"private", "login", "geo", "too_large", "unsupported", "refused_address", "user_blocked"}
    again = ((Button(text="🔁 Try again", callback_data="r:77"),),)
    if reason != "too_large":
        assert SHOWN.stage(JOB, Failed(reason))[1] == (None if reason in lasting else again)
        shown = SHOWN.stage(JOB, Failed(reason, final=True))[1]
        # What died over a limit offers what takes less; all else that lasts offers nothing.
        assert shown == (
            ((Button(text="mp3 128k", callback_data="s:77:mp3:128k"),),) if reason == "tool_crash" else None
        )
    assert SHOWN.stage(JOB, Failed(reason, maybe_sent=True))[1] is None


def test_what_is_too_large_brings_what_is_smaller() -> None:
    """Unknown sizes are offered without one, what is known not to fit is not, and with nothing left it says so."""
    text, rows = SHOWN.stage(JOB, Failed(Reason.TOO_LARGE))
    assert text.startswith("😕 This file is too large: I can send 50 MB at most. Tap a smaller one:\n")
    assert rows == ((Button(text="mp3 128k", callback_data="s:77:mp3:128k"),),)
    small = replace(JOB, variant=Variant("mp3", "128k"))
    text, rows = SHOWN.stage(small, Failed(Reason.TOO_LARGE))
    assert text.startswith(
        "😕 This file is too large: I can send 50 MB at most. "
        "There's no smaller version, so please try a shorter one.\n"
    )
    assert rows is None
    sizes = (
        Size(variant=Variant("mp3", "128k"), size_bytes=60 << 20),
        Size(variant=Variant("m4a", "default"), size_bytes=9),
    )
    text, rows = SHOWN.stage(small, Failed(Reason.TOO_LARGE, sizes=sizes))
    assert text.startswith("😕 It would be 62.9 MB, and I can send 50 MB at most. Tap a smaller one:\n")
    assert rows == ((Button(text="m4a\u00a0· 1\u00a0kB", callback_data="s:77:m4a:default"),),)


def test_a_stream_of_several_codings_is_not_called_no_video() -> None:
    """There is a video, and no other choice of it would go better."""
    text, rows = SHOWN.stage(JOB, Failed(Reason.UNSUPPORTED, lacks="one_coding"))
    assert text.startswith("😕 This stream changes its encoding partway")
    assert rows is None


def test_what_is_copy_protected_is_not_called_no_video() -> None:
    """Neither by a download nor by a look; no button would help."""
    text, rows = SHOWN.stage(JOB, Failed(Reason.UNSUPPORTED, lacks="unlocked"))
    assert text.startswith("😕 This is copy-protected (DRM)")
    assert rows is None
    failure = Failure(reason=Reason.UNSUPPORTED, detail="", lacks="unlocked")
    card = CardTexts(Catalogues(), 50).failed(OFFER, failure, "en")
    assert card.text.startswith("😕 This is copy-protected (DRM)")
    assert card.keyboard is None


@pytest.mark.parametrize("reason", [Reason.TOO_LARGE, Reason.TOOL_CRASH])
def test_what_the_link_does_not_have_is_no_button(reason: Reason) -> None:
    """Of a silent film of 360 lines that is one smaller choice, after either failure."""
    film = replace(JOB, variant=Variant("mp4", "best"))
    rows = SHOWN.stage(film, Failed(reason, final=reason == "tool_crash", lines=360, has_audio=False))[1]
    assert rows == ((Button(text="mp4 360p", callback_data="s:77:mp4:360p"),),)


def test_what_is_larger_than_is_taken_has_no_buttons() -> None:
    """No choice of a source that is too large itself would do, so none is offered."""
    text, rows = SHOWN.stage(JOB, Failed(Reason.TOO_LARGE, final=True))
    assert text.startswith("😕 This file is too large for me in any format.")
    assert rows is None


def test_what_died_over_a_limit_brings_lower_qualities() -> None:
    """The same would die again; a tool's other crash has no buttons."""
    film = replace(JOB, variant=Variant("mp4", "480p"))
    text, rows = SHOWN.stage(film, Failed(Reason.TOOL_CRASH, final=True))
    assert text.startswith("😕 Converting this takes more memory or time than I have. A lower quality takes less:")
    assert rows is not None
    assert [button.text for row in rows for button in row] == ["mp4 360p", "m4a", "mp3 128k"]
    least = replace(JOB, variant=Variant("mp3", "128k"))
    assert SHOWN.stage(least, Failed(Reason.TOOL_CRASH, final=True))[1] is None
    assert "takes more memory" not in SHOWN.stage(film, Failed(Reason.TOOL_CRASH))[0]


def test_long_titles_and_links_are_cut() -> None:
    """At a whole character, with an ellipsis; the link still leads to all of it."""
    text = SHOWN.stage(JOB, Converting("😀" * 200))[0]
    assert units(text) < 150
    assert "😀…" in text
    url = "https://a.example/" + "x" * 2000
    shown = failure_text(Catalogues().for_language(None), Reason.GONE, url, 1)
    assert f'href="{url}"' in shown
    assert shown.endswith("xxx…</a>")


def test_a_choice_reads_as_people_type_it() -> None:
    """The only quality there is need not be said."""
    assert (Variant("mp3", "320k").words, Variant("m4a", "default").words) == ("mp3 320k", "m4a")


def test_only_sound_is_said_to_be_that() -> None:
    """A film asked for where there is only sound: the words say so, and the buttons are those that work."""
    texts = ProgressTexts(Catalogues(), 50)
    for lacks, words, kind in (("video", "only sound", "audio"), ("audio", "no sound", "video")):
        text, keyboard = texts.stage(JOB, Failed(Reason.UNSUPPORTED, lacks=lacks))  # type: ignore[arg-type]
        assert words in text
        data = [str(button.callback_data).split(":") for row in keyboard or () for button in row]
        assert {parts[0] for parts in data} == {"s"}
        assert {parts[2] for parts in data} == {row.word for row in FORMATS.values() if row.kind == kind}


def test_a_silent_film_is_offered_up_to_its_height() -> None:
    """As its link alone would be."""
    _, keyboard = SHOWN.stage(JOB, Failed(Reason.UNSUPPORTED, lacks="audio", lines=720))
    labels = [button.text for row in keyboard or () for button in row]
    assert labels == ["mp4 360p", "mp4 480p", "mp4 720p"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "doesn't say for how long. Please try again in half an hour."),
        (0.0, "try again in 1 s."),
        (29.5, "try again in 30 s."),
        (60, "try again in 1 min."),
        (1750, "try again in 30 min."),
        (7200, "try again in 2 h."),
        (5430, "try again in 1 h 31 min."),
        (86_401, "for more than a day. Try another source."),
        (2.3e9, "for more than a day. Try another source."),
    ],
)
def test_a_pause_is_told_as_the_site_says_it(seconds: float | None, words: str) -> None:
    """In whole seconds under a minute, else in minutes and hours; a site that names no time gets no promise."""
    texts = ProgressTexts(Catalogues(), 50)
    assert words in texts.stage(JOB, Failed(Reason.RATE_LIMITED, retry_after_seconds=seconds))[0]


def test_a_missing_host_is_named() -> None:
    """It may be misspelt."""
    texts = ProgressTexts(Catalogues(), 50)
    assert "a site called no.example" in texts.stage(JOB, Failed(Reason.GONE, unresolved="no.example"))[0]
