"""The probe: looks at a link without fetching it, for its title, length, and what each format would weigh.

Owns the `probe` task. Of a plain file, which no page describes, it reads the first 2 MiB; of a bare playlist, the
beginning of the first segment. Most files show there what they are.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin

from yt_dlp.utils import YoutubeDLError

from doradura.child.describing import clean, describe, duration_of, has_own_title, is_generic
from doradura.child.encoding import shorter_side
from doradura.child.facts import Facts, inspect
from doradura.child.failures import JobError
from doradura.child.fetching import Extractor, Info, hold_manifest, parts_of
from doradura.child.products import every_product
from doradura.child.products.product import Described, Looked, Product, Weight, had_by
from doradura.child.stated import goes_on, measured_seconds, stated_seconds
from doradura.child.stream_start import StreamStart, read_start
from doradura.child.timelimit import TimeIsUpError, at_most
from doradura.media.protocol import MOST_BYTES, Metadata, Order, Size
from doradura.media.reasons import Reason
from doradura.media.variant import Variant

_START_BYTES = 2 * 1024 * 1024
_SEGMENT_BYTES = 256 * 1024
_SAMPLING_SECONDS = 4.0
"""Seconds for the samples of all qualities together; what is unknown by then is left out."""
_LOOK_SECONDS = 8.0
"""No sample starts or continues after this much of a probe, so that its answer comes before the probe is given up."""


def probe(order: Order, extractor: Extractor) -> Metadata:
    """Return what is known of the order's link. Raises JobError and yt-dlp's errors."""
    started = time.monotonic()
    info = extractor.find()
    return look(order, extractor, info, time.monotonic() - started)


def look(order: Order, extractor: Extractor, info: Info, seconds: float, *, duration: float | None = None) -> Metadata:
    """Return what is known of an item that the site described in this many seconds. Raises as `probe` does.

    `duration` is the item's length in seconds if it was measured: then the site's word is not needed.
    """
    if info.get("direct"):
        return _plain_file(order, extractor, info, seconds, duration)
    bare = _bare_playlist(extractor)
    facts = None
    if bare is not None:
        duration = duration or duration_of(info) or bare.seconds
        facts = None if bare.untold is None else _segment_facts(extractor, bare, Path(order.directory) / "segment")
    return describe(
        info,
        duration_seconds=duration or duration_of(info),
        has_video=None if facts is None else facts.video is not None,
        has_audio=None if facts is None else facts.audio is not None,
        height=_height(facts),
        sizes=tuple(_sizes(order, extractor, duration or duration_of(info))),
        extraction_seconds=seconds,
    )


def _plain_file(order: Order, extractor: Extractor, info: Info, seconds: float, duration: float | None) -> Metadata:
    last, path = time.monotonic() - seconds + _LOOK_SECONDS, Path(order.directory) / "start"
    start, facts = _start(extractor, info, path)
    if start is None:
        return describe(info, extraction_seconds=seconds)
    complete, whole_bytes = start.ended, start.whole_bytes
    if goes_on(path, len(start.content) if complete else whole_bytes or len(start.content), facts):
        # The length stated by the server can't be true, or the connection ended early: the length is unknown.
        complete, whole_bytes = False, None
    if whole_bytes is not None and whole_bytes > order.limits.file_bytes and start.ranged:
        # A total stated with a part is wrong more often than the length of the whole, so a refusal asks for both.
        whole = read_start(extractor, info, 1, ranged=False)
        whole_bytes = None if whole is None else whole.whole_bytes
    if whole_bytes is not None and whole_bytes > order.limits.file_bytes:
        raise JobError(Reason.TOO_LARGE, f"the source has {whole_bytes} bytes, more than is taken", final=True)
    start_is_whole = len(start.content) >= _START_BYTES
    if facts is None or not any(product.is_in(facts) for product in every_product()):
        if complete or (facts is not None and facts.is_still):
            raise JobError(Reason.UNSUPPORTED, "no media file" if facts is None else "nothing in it can be sent")
        return describe(info, extraction_seconds=seconds)
    duration = duration or duration_of(info) or stated_seconds(start.content, facts)
    if complete and duration is None:  # what FFmpeg tells is a guess from the first frames' rate
        duration = measured_seconds(path) or None
    film, had = facts.video, had_by([facts])
    own = has_own_title(info)
    looked = Looked(
        path=path,
        facts=facts,
        seconds=duration,
        size_bytes=whole_bytes,
        program=order.ffmpeg,
        upload_bytes=order.limits.upload_bytes,
    )
    return describe(
        info,
        title=None if own else clean(facts.title),
        performer=clean(facts.artist),
        duration_seconds=duration,
        has_video=film is not None,
        has_audio=facts.audio is not None,
        has_subtitles=had.subtitles,
        has_picture=had.picture,
        height=_height(facts),
        # A site that sent less than the start, and no end, may be gone: its word is not relied on.
        sizes=tuple(_file_sizes(looked, last=last)) if complete or start_is_whole else (),
        extraction_seconds=seconds,
    )


def _start(extractor: Extractor, info: Info, path: Path) -> tuple[StreamStart | None, Facts | None]:
    """Read the file's first bytes and their facts, without a range if the server does not answer a range with media."""
    start = facts = None
    for ranged in (True, False):
        start = read_start(extractor, info, _START_BYTES, ranged=ranged)
        if start is None:
            break
        path.write_bytes(start.content)
        facts = inspect(path)
        if facts is not None or not (start.ranged or start.ended):
            break
    return start, facts


def _file_sizes(looked: Looked, *, last: float) -> list[Size]:
    """Return the sizes; after `last`, a monotonic time, no film is sampled any more."""
    products = every_product()
    sizes = [size for product in products if not product.sampled for size in _size(product, product.weigh_file(looked))]
    with suppress(TimeIsUpError), at_most(min(_SAMPLING_SECONDS, last - time.monotonic())):
        for product in reversed(products):  # `best` is never sampled, so it is known however little time there is
            sizes += _size(product, product.weigh_file(looked)) if product.sampled else []
    return sizes


def _sizes(order: Order, extractor: Extractor, duration: float | None) -> list[Size]:
    sizes = []
    for product in every_product():
        try:
            parts = parts_of(extractor.choose(product.selection()))
        except (YoutubeDLError, JobError):  # the site has nothing for this one, or only a live stream
            continue
        described = Described(
            parts=parts, item=extractor.raw or {}, seconds=duration, upload_bytes=order.limits.upload_bytes
        )
        sizes += _size(product, product.weigh(described))
    return sizes


def _size(product: Product, weight: Weight | None) -> list[Size]:
    if weight is None or not 0 <= weight.size_bytes <= MOST_BYTES:
        return []
    variant = Variant(product.row.word, product.grade.word)
    return [Size(variant=variant, size_bytes=weight.size_bytes, height=weight.height)]


def _height(facts: Facts | None) -> int | None:
    """Return the number that names a film's quality, if it is known."""
    film = None if facts is None else facts.video
    return None if film is None else shorter_side(film) or None


class _Playlist(NamedTuple):
    """A bare HLS playlist that is known to be complete."""

    text: str
    seconds: float | None
    """The sum of its segments."""
    untold: Info | None
    """Its stream, if nothing describes its content."""


def _bare_playlist(extractor: Extractor) -> _Playlist | None:
    """Read the playlist of an item that no known site describes. Raises JobError for a live one."""
    raw = extractor.raw or {}
    if not is_generic(raw):
        return None
    streams = [dict(entry) for entry in raw.get("formats") or () if str(entry.get("protocol")).startswith("m3u8")]
    if not streams:
        return None
    text = hold_manifest(extractor, streams[-1], wait=False)
    if text is None:
        return None
    seconds = sum(float(length) for length in re.findall(r"#EXTINF:\s*(\d+(?:\.\d+)?)", text))
    # Of several streams, one may have the sound of another.
    told = len(raw["formats"]) > 1 or any(streams[-1].get(codec) for codec in ("vcodec", "acodec"))
    return _Playlist(text, seconds or None, None if told else streams[-1])


def _segment_facts(extractor: Extractor, playlist: _Playlist, path: Path) -> Facts | None:
    """Return the facts of a playlist's first segment; None if it is encrypted or can't be fetched within seconds."""
    stream, text = playlist.untold or {}, playlist.text
    first = next((line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")), None)
    if first is None or re.search(r"#EXT-X-KEY:(?!METHOD=NONE)", text):
        return None
    head = re.search(r'#EXT-X-MAP:[^\n]*URI="([^"\n]+)"', text)
    content = b""
    with suppress(YoutubeDLError, JobError, OSError):  # a probe's extra: it may fail
        for address in ([head[1]] if head else []) + [first]:
            part = {"url": urljoin(stream["url"], address), "http_headers": stream.get("http_headers")}
            start = read_start(extractor, part, _SEGMENT_BYTES)
            content += b"" if start is None else start.content
    path.write_bytes(content)
    facts = inspect(path)
    return None if facts is None or facts.is_still else facts
