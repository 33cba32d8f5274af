"""Films and songs that the locked ffmpeg makes for a test, served as the test wants them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import msgspec

from tests.integration.child.conftest import Ended, Jobs
from tests.integration.child.raw_site import Answer, answer, serving

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac")
FASTSTART = ("-movflags", "+faststart")


def make(path: Path, *arguments: str, size: str = "640x360", seconds: float = 2.0) -> Path:
    """Make a file of a test picture and a tone; with `-map` of one of them, of that alone."""
    source = ["-f", "lavfi", "-i", f"testsrc=s={size}:r=25:d={seconds}"]
    source += ["-f", "lavfi", "-i", f"sine=440:r=44100:d={seconds}"]
    change(path, *source, *arguments)
    return path


def change(path: Path, *arguments: str) -> Path:
    """Run the locked ffmpeg, which writes the file."""
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *arguments, str(path)], check=True
    )
    return path


def served(path: Path, kind: str = "video/mp4", *headers: str) -> bytes:
    """Answer with a file."""
    return answer(kind, path.read_bytes(), *headers)


def unmeasured(content: bytes, kind: str = "video/mp4") -> bytes:
    """Answer with a body that ends when the connection does."""
    return f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode() + content


async def run(
    jobs: Jobs, answers: Mapping[str, Answer], path: str, form: str = "mp4", quality: str = "best", **more: Any
) -> Ended:
    """Run one job against a site with these answers."""
    with serving(answers) as site:
        order = jobs.order("/", form, quality, allowed_private=(site.url.removeprefix("http://"),), **more)
        async with jobs.workers.work(msgspec.structs.replace(order, url=site.url + path)) as conversation:
            return Ended([message async for message in conversation])
