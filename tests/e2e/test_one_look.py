"""One look per link: the real program, its sandbox, and a site that counts what it is asked for."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.e2e.program import Program, running
from tests.integration.child.raw_site import Answer, answer, serving

USER = 2000
PAGE = (
    b"<!doctype html><html><head><title>A fine film</title></head><body><video src='/film.mp4'></video></body></html>"
)


def findings(data_dir: Path) -> dict[str, int]:
    """Return the files with what probes found, and their modes."""
    return {path.name: path.stat().st_mode & 0o777 for path in (data_dir / "jobs").glob("*.found")}


async def test_a_page_is_asked_for_once(tmp_path: Path) -> None:
    """The card and two of its buttons: the page is asked for once. After a kill its next button asks again.

    What was found lies in a file that only the bot's user may read, and is gone with the next start.
    """
    data, answers = tmp_path / "data", dict[str, Answer]()
    with serving(answers) as site:
        near = urlsplit(site.url).netloc
        async with running(data, DORADURA_ALLOWED_PRIVATE=near) as program:
            film = await _sample(program)
            answers |= {"/page.html": answer("text/html", PAGE), "/film.mp4": answer("video/mp4", film)}
            asked = await program.say(USER, f"{site.url}/page.html")
            card = await program.wait(USER, lambda m: "A fine film" in m.get("text", ""), after=asked["message_id"])
            assert list(findings(data).values()) == [0o600]
            await program.press(USER, card, "mp4 best")
            await program.wait(USER, lambda m: "video" in m, after=card["message_id"])
            await program.press(USER, card, "m4a")
            await program.wait(USER, lambda m: "audio" in m, after=card["message_id"])
            assert site.asked.count("/page.html") == 1
            await program.kill()
        async with running(data, DORADURA_ALLOWED_PRIVATE=near) as program:
            assert findings(data) == {}
            await program.press(USER, card, "mp3 128k")
            await program.wait(USER, lambda m: m.get("audio", {}).get("mime_type") == "audio/mpeg")
            assert site.asked.count("/page.html") == 2


async def _sample(program: Program) -> bytes:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(program.media("sample.mp4"))).content
