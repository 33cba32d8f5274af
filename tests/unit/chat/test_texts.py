"""The texts: every key there is, every value given, everything Telegram can read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doradura.chat.cards import known_text
from doradura.chat.figures import count_text, percent_text, span_text
from doradura.chat.progress import ProgressTexts, failure_text
from doradura.chat.texts import LACKING, Catalogues, Texts, duration_text, languages, size_text
from doradura.downloads.stages import Converting, Failed, Fetching, Paused, Retrying, Sending, Stage, Waiting, Working
from doradura.health_sentences import HealthText
from doradura.media.links import LinkError, check_link
from doradura.media.protocol import Metadata
from doradura.media.reasons import Reason
from doradura.media.variant import Variant
from doradura.sandbox.text.entities import units
from doradura.sandbox.text.markup import parse_html
from tests.catalogues import faults, uses
from tests.jobs import running_job
from tests.languages import Sentences, language

T = Catalogues().for_language(None)


def test_every_catalogue_has_every_text() -> None:
    """Each language has each text that the code shows, with the values it is given, short enough, and no other."""
    assert len(uses()) > 300
    found = faults()
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"without": "about.queue"}, ["de: no text about.queue, which the command /queue shows"]),
        ({"without": "press.cancelled"}, ["de: no text press.cancelled, which queue.py:"]),
        ({"start__de": "Hallo"}, ["de: start.de is used nowhere"]),
        (
            {"press__again": "Noch einmal: {wahl}"},
            ["needs {wahl}, which download.py:", "de: press.again has other values than en's: choice, wahl"],
        ),
        ({"button__graph": "📈 Den Verlauf der letzten Stunden zeigen"}, ["de: button.graph has 40 characters"]),
        ({"about__queue": "was <b>wartet</b>"}, ["de: about.queue has 17 characters, or markup"]),
        ({"press__ended": "so " * 70}, ["de: press.ended has 210 characters"]),
        ({"queue__empty": "<b>Nichts"}, ["de: queue.empty can't be filled, or is no HTML that Telegram takes"]),
        ({"queue__empty": "Nichts {"}, ["de: queue.empty can't be filled"]),
        ({"queue__empty": ""}, ["de: no text queue.empty, which queue.py:"]),
        ({"cancel__done": "✖ {count} abgebrochen."}, ["de: cancel.done is counted in one language"]),
    ],
)
def test_what_is_wrong_with_a_language_is_said(tmp_path: Path, changes: dict[str, str], said: list[str]) -> None:
    """A missing text, one too many, other values, too long, no HTML: each is found in whatever catalogue."""
    language(tmp_path, "de", **changes)
    found = faults(tmp_path)
    assert len(found) == len(said)
    assert all(part in fault for part, fault in zip(said, found, strict=True))


@pytest.mark.parametrize(
    ("sentences", "said"),
    [
        (
            {HealthText.DISK_LOW: ()},
            ["de: no translation of HealthText.DISK_LOW: {left} free in the data directory: large"],
        ),
        ({HealthText.DISK_LOW: ("",)}, ["de: no translation of HealthText.DISK_LOW: "]),
        (
            {HealthText.DISK_LOW: ("nur {rest} frei",)},
            ["de: HealthText.DISK_LOW has other values than the English: left, rest"],
        ),
        ({HealthText.DISK_LOW: ("<b>{left}</b> frei",)}, ["de: HealthText.DISK_LOW has markup"]),
        ({HealthText.DISK_LOW: ("{left:d} frei",)}, ["de: HealthText.DISK_LOW can't be filled: "]),
        ({HealthText.SELF_TEST_PASSED: ("{",)}, ["de: HealthText.SELF_TEST_PASSED can't be filled: "]),
        (
            {HealthText.YTDLP_A_DAY_OLD: ("{count} Tage alt",)},
            ["de: HealthText.YTDLP_A_DAY_OLD has not the msgid_plural"],
        ),
        ({HealthText.YTDLP_A_DAY_OLD: ("einen Tag alt", "")}, ["de: no translation of HealthText.YTDLP_A_DAY_OLD: "]),
        (
            {HealthText.YTDLP_A_DAY_OLD: ("einen Tag alt", "{days} Tage alt")},
            ["YTDLP_A_DAY_OLD has other values than the English: days"],
        ),
        (
            {HealthText.YTDLP_DAYS_OLD: ("{count} Tage alt",)},
            ["de: yt-dlp is {count} days old, and sites change: run `just update-ytdlp` and restart is used nowhere"],
        ),
    ],
)
def test_what_is_wrong_with_a_languages_health_sentences_is_said(
    tmp_path: Path, sentences: Sentences, said: list[str]
) -> None:
    """One that is missing or empty, has other values or markup, or lacks a form, is found in every other language."""
    language(tmp_path, "de", sentences)
    found = faults(tmp_path)
    assert len(found) == len(said)
    assert all(part in fault for part, fault in zip(said, found, strict=True))


def test_the_default_language_has_no_health_sentence(tmp_path: Path) -> None:
    """Its sentences are in the code alone: a second spelling would never be shown."""
    language(tmp_path, "en", {HealthText.DISK_LOW: ("{left} left",)})
    assert faults(tmp_path) == [f"en: {HealthText.DISK_LOW} is used nowhere"]


def test_a_catalogue_that_is_not_compiled_is_found(tmp_path: Path) -> None:
    """What people edit is what the program reads."""
    source = language(tmp_path, "de")
    assert faults(tmp_path) == []
    source.write_text(source.read_text(encoding="utf-8").replace("Try again", "Nochmal"), encoding="utf-8")
    assert "de: is not compiled, run `just fmt`" in faults(tmp_path)


def test_a_missing_text_is_logged_and_the_default_languages_is_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Never a key in front of anybody, and no end of what shows it; each lack is logged once."""
    language(tmp_path, "de", without="cancel.done", press__again="Noch einmal: {wahl}", queue__empty="Nichts")
    catalogues = Catalogues(tmp_path)
    t = catalogues.for_language("de-AT")
    assert (t.language, t("queue.empty")) == ("de", "Nichts")
    assert [t.counted("cancel.done", 2) for _ in range(3)] == ["✖ Cancelled 2 downloads."] * 3
    assert t.plain("press.again", choice="mp3") == "Trying again: mp3"
    assert t("no.such") == t.counted("no.such", 2) == catalogues.for_language(None)("start") == LACKING
    lacks = [(vars(record)["key"], vars(record)["language"]) for record in caplog.records]
    assert lacks == [
        *[("cancel.done", "de"), ("press.again", "de"), ("no.such", "de"), ("no.such", "en"), ("start", "en")]
    ]
    caplog.clear()


def test_languages_are_the_folders_that_are_there(tmp_path: Path) -> None:
    """The default first; a folder without a compiled catalogue is none."""
    for code in ("pt", "de"):
        language(tmp_path, code)
    (tmp_path / "xx" / "LC_MESSAGES").mkdir(parents=True)
    assert languages(tmp_path) == ("en", "de", "pt")
    assert Catalogues(tmp_path).for_language("pt-br").language == "pt"


def test_plain_texts_show_values_as_they_are() -> None:
    """Where Telegram takes no markup, escapes would be seen."""
    assert T.plain("press.queued", choice="a & <b> &lt;") == "Got it: a & <b> &lt;"


def test_numbers_choose_the_form() -> None:
    """One is singular, all else plural."""
    assert [T.counted("cancel.done", n) for n in (1, 2)] == ["✖ Cancelled 1 download.", "✖ Cancelled 2 downloads."]


def test_an_unknown_language_gets_the_first() -> None:
    """Regions don't matter, and nobody is without texts."""
    catalogues = Catalogues()
    for code in ("en-GB", "EN", "xx", "", None):
        assert isinstance(catalogues.for_language(code), Texts)
        assert catalogues.for_language(code).language == "en"


def test_lengths_and_sizes_as_people_write_them() -> None:
    """No zero length, no unit that reads odd at its border."""
    assert [duration_text(s) for s in (0.2, 9.6, 205, 3723)] == ["0:01", "0:10", "3:25", "1:02:03"]
    assert [size_text(T, b) for b in (1, 1000, 999_499, 999_500, 1_500_000, 99_950_000, 999_500_000, 2 * 10**9)] == [
        *("1 kB", "1 kB", "999 kB", "1.0 MB", "1.5 MB", "100 MB", "1.0 GB", "2.0 GB")
    ]


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("en", ["1,204", "1.5 MB", "96.3", "9.5 s"]),
        ("de", ["1.204", "1,5 MB", "96,3", "9,5 s"]),
        ("fr", ["1\u202f204", "1,5 MB", "96,3", "9,5 s"]),
        ("xx", ["1,204", "1.5 MB", "96.3", "9.5 s"]),
    ],
)
def test_numbers_are_written_as_the_language_does(code: str, shown: list[str], tmp_path: Path) -> None:
    """Separators and decimal signs are those of the language; one that nobody knows has the default's."""
    language(tmp_path, code)
    t = Catalogues(tmp_path).for_language(code)
    assert [count_text(t, 1204), size_text(t, 1_500_000), percent_text(t, 0.963), span_text(t, 9.5)] == shown


JOB = running_job(job_id=2**62, url="", site="youtube", variant=Variant("mp4", "1080p"))
LETTERS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("<>&\"'{}\0\n😀/ ")), max_size=400)
SHOWN = ProgressTexts(Catalogues(), 50 << 20)


@given(LETTERS, LETTERS, LETTERS)
def test_any_title_gives_text_that_parses(title: str, performer: str, url: str) -> None:
    """Whatever a site calls its things, Telegram can read the text, and it fits a message."""
    stages: list[Stage] = [
        Fetching(title, 5, 10, 2.0),
        Fetching(title, 5, None, None),
        Converting(title),
        Sending(title),
    ]
    stages += [Waiting(0), Waiting(7), Paused("youtube"), Working(), Retrying(Reason.NETWORK, 3)]
    texts = [SHOWN.stage(JOB, stage)[0] for stage in stages]
    texts.append(known_text(T, Metadata(title=title, performer=performer, duration_seconds=3.0), url or "x", 50))
    for text in texts:
        visible, _ = parse_html(text)
        assert 0 < units(visible) < 4096


@given(LETTERS, st.sampled_from(sorted(Reason)))
def test_any_link_gives_text_that_parses(rest: str, reason: Reason) -> None:
    """What a user sent as a link is shown as that link and nothing else: one link, and no markup of its own."""
    url = "https://a.example/" + rest
    for text in (failure_text(T, reason, url, 50 << 20), SHOWN.stage(replace(JOB, url=url), Failed(reason))[0]):
        visible, entities = parse_html(text)
        assert 0 < units(visible) < 4096
        assert [entity["type"] for entity in entities] == ["text_link"]


@given(LETTERS)
def test_a_checked_link_is_shown_as_it_is(rest: str) -> None:
    """The link in a failure's text leads where the user's link led."""
    url = "https://a.example/" + rest
    try:
        check_link(url)
    except LinkError:
        return
    _, (entity,) = parse_html(failure_text(T, Reason.GONE, url, 50 << 20))
    assert entity["url"] == url.replace('"', "%22")
