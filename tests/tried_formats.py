"""Formats that the table does not have yet, for tests of every kind of product."""

from __future__ import annotations

from doradura.child.products import product_of
from doradura.media.formats import FORMATS, Format, Quality

TRIED = (
    Format(
        word="opus",
        kind="audio",
        sent_as="document",
        grades=(
            Quality(
                word="default",
                timer_seconds=600,
                encoded_bits_per_second=128_000,
                encode=("-c:a", "libopus", "-vbr", "constrained", "-b:a", "128k"),
            ),
        ),
        default_quality="default",
        extension="opus",
        mime_type="audio/ogg",
        muxer="ogg",
        copied_codecs=frozenset({"opus"}),
        sought_codec="opus",
    ),
    Format(
        word="flac",
        kind="audio",
        sent_as="document",
        grades=(Quality(word="default", timer_seconds=600, encode=("-c:a", "flac")),),
        default_quality="default",
        extension="flac",
        mime_type="audio/flac",
        muxer="flac",
        holds_cover=True,
        copied_codecs=frozenset({"flac"}),
    ),
    Format(
        word="wav",
        kind="audio",
        sent_as="document",
        grades=(
            Quality(
                word="default",
                timer_seconds=600,
                bits_per_second=1_411_200,
                encode=("-c:a", "pcm_s16le", "-ar", "44100", "-ac", "2"),
            ),
        ),
        default_quality="default",
        extension="wav",
        mime_type="audio/wav",
        muxer="wav",
        copied_codecs=frozenset({"pcm_s16le"}),
    ),
    Format(
        word="srt",
        kind="subtitles",
        sent_as="document",
        grades=(Quality(word="default", timer_seconds=600, encode=("-c:s", "srt")),),
        default_quality="default",
        extension="srt",
        mime_type="application/x-subrip",
        muxer="srt",
    ),
    Format(
        word="thumbnail",
        kind="picture",
        sent_as="document",
        grades=(Quality(word="default", timer_seconds=600, encode=("-c:v", "mjpeg", "-pix_fmt", "yuvj420p")),),
        default_quality="default",
        extension="jpg",
        mime_type="image/jpeg",
        muxer="mjpeg",
    ),
)
"""Rows that use everything that a row may contain. A new row of the table needs nothing else."""

ROWS = (*FORMATS.values(), *TRIED)
PRODUCTS = [product_of(row, grade) for row in ROWS for grade in row.grades]
