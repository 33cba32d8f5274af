"""What making several kinds has in common: ffmpeg's options for sounds and containers, the cover, the finished product.

Owns the last check of a product. It knows the row of a format, not its kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from doradura.child import ffmpeg
from doradura.child.facts import Facts, Stream, inspect
from doradura.child.failures import JobError
from doradura.child.products.product import Recipe, SourceFile
from doradura.media.formats import Format, Quality
from doradura.media.reasons import Reason


def write(recipe: Recipe, row: Format, inputs: Sequence[Path], options: Sequence[str]) -> None:
    """Write the product in its row's container, with our tags. Raises FfmpegError, ToolError."""
    output = [*options, *row.muxer_options, *recipe.tags.options(), "-f", row.muxer, f"file:{recipe.path}"]
    ffmpeg.run(recipe.program, inputs, output, told=recipe.told)


def admit(recipe: Recipe, row: Format) -> None:
    """Raise JobError for a product that can't be sent."""
    size_bytes = recipe.path.stat().st_size
    if size_bytes > recipe.upload_bytes:
        raise JobError(Reason.TOO_LARGE, f"the {row.word} has {size_bytes} bytes")


def measured(recipe: Recipe, row: Format) -> Facts:
    """Return what the product is, measured on the file itself. Raises JobError if it is too large or not media."""
    admit(recipe, row)
    facts = inspect(recipe.path)
    if facts is None:
        raise JobError(Reason.UNSUPPORTED, f"the {row.word} is no media file")
    return facts


def found_cover(recipe: Recipe, sources: Sequence[SourceFile], film: Stream | None) -> Path | None:
    """Return the site's picture, else a file's cover; for a film only one of its shape."""
    cover = recipe.site_picture(film)
    covered = next((s for s in sources if s.facts.cover is not None), None)
    if cover is None and covered is not None:
        cover = recipe.stills.of_cover(covered.path, covered.facts, film)
    return cover


def is_kept_sound(row: Format, sound: Stream) -> bool:
    """Return whether the row's container takes a sound as it is."""
    return sound.codec in row.copied_codecs


def encoded_sound(row: Format, grade: Quality, sound: Stream, *, rate: int | None = None) -> list[str]:
    """Return the options to encode a sound, in two channels at most: the table's bit rates are for those.

    `rate` (bits per second) replaces its quality's.
    """
    lower = [] if rate is None else ["-b:a", str(rate)]
    stereo = ["-ac", "2"] if (sound.channels or 2) > 2 else []
    resampled = ["-ar", "44100"] if row.sample_rates and sound.sample_rate not in row.sample_rates else []
    return [*grade.encode, *lower, *stereo, *resampled]
