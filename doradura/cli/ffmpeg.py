"""Which ffmpeg the commands use, and what to say if there is none."""

from __future__ import annotations

import os

import imageio_ffmpeg

from doradura.child.ffmpeg import version
from doradura.cli.edge import complain

VARIABLE = "IMAGEIO_FFMPEG_EXE"


def find_ffmpeg() -> tuple[str, str]:
    """Return ffmpeg's path and version. Raises RuntimeError (ToolError) if there is none that works."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    return program, version(program)


def no_ffmpeg(error: RuntimeError) -> str:
    """Return the sentence for a missing or broken ffmpeg."""
    chosen = f"{VARIABLE} points to it: unset it, or point it to one that works." if os.environ.get(VARIABLE) else ""
    return f"{str(error).strip()}. {chosen or 'Reinstall the package imageio-ffmpeg, which contains one.'}"


def ffmpeg_or_complaint() -> tuple[str, str] | None:
    """Return ffmpeg's path and version, or None after printing why there are none."""
    try:
        return find_ffmpeg()
    except RuntimeError as error:
        complain(no_ffmpeg(error))
        return None
