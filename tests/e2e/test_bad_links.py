"""What can be wrong with a link: each gets its own clear answer, is counted, and reaches nothing private."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import trio

from tests.e2e.program import Program, running, until

USER = 2000


async def failures(program: Program) -> dict[str, float]:
    """The failures counted so far."""
    counted = await program.metrics()
    return {n: v for n, v in counted.items() if n.startswith("doradura_download_failure_total") and v}


async def until_counted(program: Program, expected: Counter[str]) -> None:
    """Wait until exactly these failures are counted."""

    async def counted() -> bool:
        return await failures(program) == expected

    await until(counted, seconds=60)


def labels(fmt: str, reason: str) -> str:
    """A failure's sample."""
    return f'doradura_download_failure_total{{format="{fmt}",reason="{reason}"}}'


REFUSED = "is on a private network"

SITE_FAILURES = [
    ("missing.mp4", "gone", "no longer exists"),
    ("forbidden.mp4", "private", "won't let me in"),
    ("torn.mp4", "network", "broke several times"),
    ("status/500.mp4", "site_error", "has a problem"),
    ("status/401.mp4", "login", "needs a login"),
    ("status/451.mp4", "geo", "country"),
    ("redirect?to=http://127.0.0.1:1/x.mp4", "refused_address", REFUSED),
    ("redirect?to=http://169.254.169.254/latest", "refused_address", REFUSED),
    ("redirect?to=http://[::ffff:127.0.0.1]:1/", "refused_address", REFUSED),
]


async def test_links_whose_site_fails(tmp_path: Path) -> None:
    """Each answer says what is wrong; a link alone and /download are both told, and counted apart, once."""
    expected: Counter[str] = Counter()
    async with running(tmp_path / "data") as program:

        async def one(path: str, reason: str, words: str) -> None:
            user = (await program.ask("POST", "/sandbox/users", json={"first_name": path[:20]}))["id"]
            link = program.media(path)
            for text in (f"/download {link} mp3", link):
                asked = await program.say(user, text)
                await program.wait(user, lambda m: words in m.get("text", ""), after=asked["message_id"], seconds=120)
            expected.update((labels("mp3", reason), labels("none", reason)))

        async with trio.open_nursery() as nursery:
            for case in SITE_FAILURES:
                nursery.start_soon(one, *case)
        await until_counted(program, expected)


@pytest.mark.long
async def test_links_whose_site_is_slow(tmp_path: Path) -> None:
    """What sends 2 kB a second is ended after a minute, told so and not tried again; 25 kB a second are fine."""
    async with running(tmp_path / "data", DORADURA_CONCURRENT_DOWNLOADS="2") as program:
        began = trio.current_time()
        asked = await program.say(USER, f"/download {program.media('slow.mp4?kbps=16')} m4a")
        fine = await program.say(USER, f"/download {program.media('slow.mp4?kbps=200')} m4a")
        words = "less than 4 kB a second"
        await program.wait(USER, lambda m: words in m.get("text", ""), after=asked["message_id"], seconds=100)
        assert 60 <= trio.current_time() - began < 90
        await until_counted(program, Counter([labels("m4a", "too_slow")]))
        await program.wait(USER, lambda m: "audio" in m, after=fine["message_id"], seconds=180)
        assert trio.current_time() - began > 75
        assert await failures(program) == {labels("m4a", "too_slow"): 1}
        assert (await program.metrics()).get('doradura_errors_total{category="download"}', 0) == 0


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "/download"])
async def test_links_that_are_refused(tmp_path: Path, *, alone: bool) -> None:
    """A refused link alone counts as a failure of format none, a refused /download as one of its format."""
    cases = [
        ("http://127.0.0.1:1/", "refused_address", REFUSED),
        ("http://[::ffff:127.0.0.1]/", "refused_address", REFUSED),
        ("http://169.254.169.254/latest/meta-data/", "refused_address", REFUSED),
        ("http://2130706433/", "refused_address", REFUSED),
        ("http://localhost:1/", "refused_address", REFUSED),
        ("https://example.com/" + "a" * 8200, "unsupported", "too long"),
        ("http://nothing.invalid/x.mp4", "gone", "can't find a site called nothing.invalid"),
        ("file:///etc/passwd", "unsupported", "start with http://"),
        ("ftp://example.com/x.mp4", "unsupported", "start with http://"),
    ]
    expected: Counter[str] = Counter()
    async with running(tmp_path / "data") as program:
        for link, reason, words in cases:
            asked = await program.say(USER, link if alone else f"/download {link} mp4")
            answer = await program.wait(USER, lambda m: words in m.get("text", ""), after=asked["message_id"])  # noqa: B023 - used now
            again = "🔁 Try again" in str(answer.get("reply_markup"))
            assert again == (reason == "gone"), "a page may come back; the others end the same way"
            expected[labels("none" if alone else "mp4", reason)] += 1
            await until_counted(program, expected)


async def test_text_without_a_link_counts_nothing(tmp_path: Path) -> None:
    """No link: a kind answer, and no failure is counted."""
    cases = [
        ("hello there", "didn't see a link"),
        ("x" * 5000, "didn't see a link"),
        ("/download", "/download LINK"),
        ("/nonsense", "don't know that command"),
        ("\u202e\u0000 \U0001f9a0", "didn't see a link"),
    ]
    async with running(tmp_path / "data") as program:
        for text, words in cases:
            asked = await program.say(USER, text)
            await program.wait(USER, lambda m: words in m.get("text", ""), after=asked["message_id"])  # noqa: B023 - used now
        assert await failures(program) == {}
