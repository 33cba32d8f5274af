"""People at work in the sandbox: links that work and links that don't, slow ones, bursts, and a bad moment."""

from __future__ import annotations

import random

import trio

from tests.e2e.program import Program

FIRST_USER = 3000
LINKS = (
    ("sample.mp4", "mp3", 30),
    ("sample.mp4", "mp3 192k", 8),
    ("sample.mp4", "m4a", 14),
    ("sample.mp4", "mp4 360p", 8),
    ("page.html", "mp4 720p", 12),
    ("hls/index.m3u8", "mp4", 8),
    ("slow.mp4?kbps=9000", "mp3", 6),
    ("slow.mp4?kbps=4000", "m4a", 4),
    ("slow.mp4?kbps=1500", "mp4 360p", 1),
    ("missing.mp4", "mp3", 2),
    ("forbidden.mp4", "mp4 360p", 1),
    ("status/500.mp4", "m4a", 1),
)
"""Path, words and how often of about a hundred."""


async def people(program: Program, *, count: int, seconds: float, pause_seconds: float, seed: int = 7) -> None:
    """Let `count` people ask for files for a while, each `pause_seconds` on average after the one before."""
    chance = random.Random(seed)
    paths = [(path, words) for path, words, _ in LINKS]
    weights = [weight for _, _, weight in LINKS]
    began = trio.current_time()
    with trio.move_on_after(seconds):
        while True:
            passed = (trio.current_time() - began) / seconds
            # A busy third in the middle, with a few at once now and then, as when a link goes round in a group.
            busy = 0.35 <= passed <= 0.7
            for _ in range(chance.choice((1, 1, 1, 2, 5) if busy else (1, 1, 1, 2))):
                path, words = chance.choices(paths, weights)[0]
                user = FIRST_USER + int(count * chance.random() ** 1.6)
                await program.say(user, f"/download {program.media(path)}{_fresh(chance, path)} {words}")
            if chance.random() < 0.06:
                await program.say(user, "/cancel")
            if chance.random() < (0.25 if 0.55 <= passed <= 0.65 else 0.02):
                await program.fault(method="sendMessage", error_code=502, description="Bad Gateway")
            await trio.sleep(chance.expovariate(1 / pause_seconds) * (0.6 if busy else 1))


def _fresh(chance: random.Random, path: str) -> str:
    """Make most links new ones, so that not everything comes from what was sent before."""
    return f"{'&' if '?' in path else '?'}v={chance.randrange(10_000)}" if chance.random() < 0.8 else ""
