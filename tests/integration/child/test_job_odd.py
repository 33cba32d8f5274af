"""Odd and hostile answers: each ends for a reason of the site's, and none as a fault of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from doradura.media.protocol import Failure
from tests.integration.child.raw_site import Answer, answer, ends, serving

if TYPE_CHECKING:
    from tests.integration.child.conftest import Jobs

HOSTS = {
    "soft hyphen": "http://exa\u00admple.invalid/a",
    "joiner": "http://a\u200db.invalid/a",
    "long label": f"http://{'a' * 64}.invalid/a",
    "empty label": "http://a..invalid/a",
    "not for IDNA": "http://\u2603\ufe0f.invalid/a",
    "broken punycode": "http://xn--a\u00e9.invalid/a",
    "port 0": "http://film.invalid:0/a",
    "port too large": "http://film.invalid:99999/a",
    "port of letters": "http://film.invalid:x/a",
    "no host": "http:///a",
    "open bracket": "http://[::1/a",
    "nothing": "http://",
    "ws": "ws://example.invalid/a",
    "rtmp": "rtmp://example.invalid/a",
    "data": "data:text/plain,abc",
    "javascript": "javascript:alert(1)",
    "mailto": "mailto:a@example.invalid",
    "unknown": "nonsense:a",
}
"""Addresses that lead nowhere."""


def playlist(*lines: str) -> bytes:
    """An HLS playlist of these lines and no segments but theirs."""
    text = "\n".join(("#EXTM3U", "#EXT-X-TARGETDURATION:1", *lines, "#EXT-X-ENDLIST", ""))
    return answer("application/vnd.apple.mpegurl", text.encode())


def keyed(attributes: str, segment: str = "s.ts") -> bytes:
    """A playlist of one encrypted segment."""
    return playlist(f"#EXT-X-KEY:{attributes}", "#EXTINF:1.0,", segment)


def dash(inner: str, duration: str = "PT4S", attributes: str = "") -> bytes:
    """A DASH manifest of one representation."""
    text = (
        f"<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' mediaPresentationDuration='{duration}'><Period>"
        f"<AdaptationSet mimeType='video/mp4'><Representation id='1' bandwidth='1' {attributes}>{inner}"
        "</Representation></AdaptationSet></Period></MPD>"
    )
    return answer("application/dash+xml", text.encode())


def page(body: str) -> bytes:
    """A page."""
    return answer("text/html", f"<html><head><title>t</title></head><body>{body}</body></html>".encode())


def raw(*headers: bytes, content: bytes = b"words", kind: bytes = b"video/mp4") -> bytes:
    """An answer with these header lines, whatever they are."""
    lines = (b"HTTP/1.1 200 OK", b"Content-Type: " + kind, b"Connection: close", *headers, b"", b"")
    return b"\r\n".join(lines) + content


FILES: dict[str, Answer] = {
    "/s.ts": answer("video/mp2t", (b"G" + bytes(187)) * 10),
    "/torn.ts": answer("video/mp2t", b"abc"),
    **{f"/key{size}": answer("application/octet-stream", b"k" * size) for size in (0, 3, 16, 17, 100_000)},
}

HLS: dict[str, Answer] = {
    **{f"/key-{size}.m3u8": keyed(f'METHOD=AES-128,URI="/key{size}"') for size in (0, 3, 17, 100_000)},
    "/padding.m3u8": keyed('METHOD=AES-128,URI="/key16"', "torn.ts"),
    "/no-uri.m3u8": keyed("METHOD=AES-128"),
    "/no-method.m3u8": keyed('URI="/key16"'),
    "/method.m3u8": keyed('METHOD=ROT13,URI="/key16"'),
    "/iv-odd.m3u8": keyed('METHOD=AES-128,URI="/key16",IV=0x123'),
    "/iv-words.m3u8": keyed('METHOD=AES-128,URI="/key16",IV=0xwords'),
    "/iv-long.m3u8": keyed(f'METHOD=AES-128,URI="/key16",IV=0x{"0" * 64}'),
    "/sequence.m3u8": playlist("#EXT-X-MEDIA-SEQUENCE:x", "#EXTINF:1.0,", "s.ts"),
    "/range.m3u8": playlist("#EXTINF:1.0,", "#EXT-X-BYTERANGE:x@y", "s.ts"),
    "/range-back.m3u8": playlist("#EXTINF:1.0,", "#EXT-X-BYTERANGE:-5@-9", "s.ts"),
    "/map.m3u8": playlist("#EXT-X-MAP:BYTERANGE=x", "#EXTINF:1.0,", "s.ts"),
    "/nothing.m3u8": playlist(),
    "/nested.m3u8": answer("application/vnd.apple.mpegurl", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nnested.m3u8\n"),
    **{f"/seg-{name}.m3u8": playlist("#EXTINF:1.0,", url) for name, url in HOSTS.items()},
}
XML: dict[str, Answer] = {
    "/number.mpd": dash("<SegmentTemplate media='$Number$' duration='x' timescale='y' startNumber='z'/>"),
    "/negative.mpd": dash("<SegmentTemplate media='$Number$' duration='-1' timescale='1'/>", "PT-5S"),
    "/zero.mpd": dash("<SegmentTemplate media='$Number$' duration='0' timescale='0'/>"),
    "/template.mpd": dash("<SegmentTemplate media='$Number%0x$ $Other$ %d' duration='1' timescale='1'/>"),
    "/timeline.mpd": dash(
        "<SegmentTemplate media='$Time$'><SegmentTimeline><S r='3'/></SegmentTimeline></SegmentTemplate>"
    ),
    "/list.mpd": dash("<SegmentList><SegmentURL/></SegmentList>"),
    "/sizes.mpd": dash("<BaseURL>s.ts</BaseURL>", attributes="width='x' height='-' frameRate='1/0'"),
    "/ws.smil": answer(
        "application/smil+xml", b"<smil><body><switch><video src='ws://a.invalid/a' /></switch></body></smil>"
    ),
    "/numbers.smil": answer(
        "application/smil+xml", b"<smil><body><video src='/s.ts' system-bitrate='x' width='-' dur='?'/></body></smil>"
    ),
    "/number.f4m": answer(
        "application/f4m+xml",
        b"<manifest xmlns='http://ns.adobe.com/f4m/1.0'><bootstrapInfo id='b'>x</bootstrapInfo>"
        b"<media url='a' bitrate='x' bootstrapInfoId='b'/></manifest>",
    ),
    "/number.ism": answer(
        "text/xml",
        b"<SmoothStreamingMedia Duration='x' TimeScale='0'><StreamIndex Type='video' Url='a'>"
        b"<QualityLevel Bitrate='x'/><c d='x'/></StreamIndex></SmoothStreamingMedia>",
    ),
}
PAGES: dict[str, Answer] = {
    **{f"/page-{name}.html": page(f"<video src='{url}'></video>") for name, url in HOSTS.items()},
    "/charset.html": raw(content=b"<html>", kind=b"text/html; charset=idna"),
    "/charset-null.html": raw(content=b"<html>", kind=b"text/html; charset=\0"),
    "/null.html": raw(b"X\0Y: a\0b", content=b"<html>\0", kind=b"text/html"),
    "/ld.html": page(
        '<script type="application/ld+json">{"@context":"https://schema.org","@type":"VideoObject","name":[],'
        '"contentUrl":"/s.ts","duration":"PT-5S","uploadDate":"x","width":"x","height":{}}</script>'
    ),
}
ANSWERS: dict[str, Answer] = {
    "/chunk.html": raw(b"Transfer-Encoding: chunked", content=b"zz\r\nabc\r\n", kind=b"text/html"),
    "/chunk-negative.html": raw(b"Transfer-Encoding: chunked", content=b"-5\r\nabc", kind=b"text/html"),
    "/chunk-huge.mp4": raw(b"Transfer-Encoding: chunked", content=b"f" * 20 + b"\r\nabc"),
    "/gzip.html": raw(b"Content-Encoding: gzip", kind=b"text/html"),
    "/brotli.html": raw(b"Content-Encoding: br", kind=b"text/html"),
    "/flood.html": raw(*(b"X-%d: a" % number for number in range(200)), kind=b"text/html"),
    "/long-header.html": raw(b"X: " + b"a" * 70_000, kind=b"text/html"),
    "/length.mp4": raw("Content-Length: \u00b2".encode("latin-1")),
    "/length-negative.mp4": raw(b"Content-Length: -5"),
    "/status.mp4": b"HTTP/1.1 -1 OK\r\n\r\n",
    "/empty.mp4": b"",
    **{
        f"/to-{name}.mp4": f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode()
        for name, url in HOSTS.items()
    },
}
UNSUPPORTED = {
    *(path for path in HLS if path.startswith("/key-")),
    *("/padding.m3u8", "/no-method.m3u8", "/iv-odd.m3u8", "/iv-words.m3u8", "/iv-long.m3u8", "/range.m3u8"),
    *("/ws.smil", "/page-ws.html"),
    *(f"/{kind}" for name in ("soft hyphen", "joiner") for kind in (f"page-{name}.html", f"seg-{name}.m3u8")),
    *("/to-soft hyphen.mp4", "/to-joiner.mp4"),
}
"""What the issue names, and its nearest kin: these are `unsupported` and nothing else."""


@pytest.mark.parametrize("rows", [HLS, XML, PAGES, ANSWERS], ids=["hls", "xml", "pages", "answers"])
async def test_an_odd_answer_is_no_fault_of_ours(jobs: Jobs, rows: dict[str, Answer]) -> None:
    """Nothing that a site can send ends as internal, nor as a broken tool or disk."""
    with serving({**FILES, **rows}) as site:
        order = jobs.order("/", "mp4", "720p", allowed_private=(site.url.removeprefix("http://"),))
        told = await ends(
            {
                path: msgspec.structs.replace(
                    order, url=site.url + path.replace(" ", "%20"), directory=str(jobs.directory / str(number))
                )
                for number, path in enumerate(rows)
            }
        )
    assert told.keys() == rows.keys()
    wrong = {}
    for path, end in told.items():
        reason = end.reason if isinstance(end, Failure) else type(end).__name__
        fine = {"unsupported"} if path in UNSUPPORTED else {"unsupported", "gone", "network", "site_error", "live"}
        if reason not in fine:
            wrong[path] = end
    assert wrong == {}
