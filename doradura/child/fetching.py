"""yt-dlp, restricted to what a job may do: looking at a link, choosing, fetching.

Owns every use of yt-dlp except the classification of its errors. yt-dlp serves only as a library of extractors and
downloaders: its post-processing never runs, so no ffmpeg is started here, and every file that it writes has the name
that we give it.
"""

from __future__ import annotations

import http.client
import itertools
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from yt_dlp.downloader.external import FFmpegFD
from yt_dlp.extractor.youtube.jsc._builtin.ejs import EJSBaseJCP
from yt_dlp.globals import plugin_dirs
from yt_dlp.networking import Request, _requests, _urllib, common
from yt_dlp.networking.exceptions import RequestError
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor
from yt_dlp.utils import YoutubeDLError
from yt_dlp.utils.networking import normalize_url

from doradura.child import pot_tokens
from doradura.child.bounds import READING_CPU_SECONDS, bound_answers, reading_at_most
from doradura.child.describing import FILE_NAME, is_generic
from doradura.child.disposition import file_name_of
from doradura.child.failures import JobError, is_unreachable, one_line
from doradura.child.fragments import fetch_ahead
from doradura.child.gate_replies import mark_gate_replies
from doradura.child.impersonating import Browsing
from doradura.child.stated import jumps
from doradura.child.stream_start import Unbounded, refuse_endless, refuse_endless_sound, unbounded_kind
from doradura.media.gatecontrol import USER
from doradura.media.protocol import COOKIES_COPY, PLAYERS_DIRECTORY, Door, Order
from doradura.media.reasons import Reason

_LIVE = frozenset({"is_live", "is_upcoming", "post_live"})

Info = dict[str, Any]
"""yt-dlp's description of one item, untyped."""

NATIVE = "[protocol~='^(https?|m3u8(_native)?|http_dash_segments(_generator)?)$']"
"""What yt-dlp fetches with its own Python code; anything else would start a program that the egress guard cannot
see."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What yt-dlp is told to take: a format expression, each part of it `NATIVE`, and the order of preference."""

    expression: str
    order: tuple[str, ...]


class LastLines:
    """Keeps the last lines of yt-dlp's log for a failure's detail; yt-dlp must never write to our own output."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=10)

    def debug(self, message: str) -> None:
        """Keep a line."""
        self._lines.append(message)

    info = warning = error = debug

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._lines))


class Extractor(Browsing):
    """yt-dlp with one item per link, no live streams, and native networking behind a wall alone."""

    def __init__(self, order: Order, selection: Selection | None) -> None:
        self.raw: Info | None = None
        """The item as its extractor returned it, before anything was chosen from it."""
        self.last_key: str | None = None
        """The extractor at work, or the last one."""
        self._choosing_extractor = False
        self._order_url = order.url
        self._file_name: str | None = None
        self._guessed = order.guessed_scheme
        self.last_url = order.url
        """The address requested last."""
        self.unbounded: Unbounded = ""
        """The kind of the last answer if its length was unknown."""
        self._chosen = selection
        super().__init__(_options(order), order.wall)

    def find(self) -> Info:
        """Ask the site about the order's link, and make the order's choice, if there is one.

        If https was our guess and nothing answers there, http is tried. Raises JobError and whatever yt-dlp raises.
        """
        try:
            info = self._find(self._order_url)
        except (YoutubeDLError, OSError) as error:
            if not (self._guessed and is_unreachable(error)):
                raise
            # Nobody wrote https: we guessed it.
            info = self._find("http" + self._order_url.removeprefix("https"))
        refuse_endless_sound(self, info)
        return info

    def resume(self, item: Info) -> Info:
        """Make the order's choice from an item that a probe found, without asking the site.

        Raises whatever an odd item leads to.
        """
        self.last_key = "Generic" if is_generic(item) else str(item.get("extractor_key"))
        with reading_at_most(READING_CPU_SECONDS):
            return self.process_ie_result(item, download=False)

    def _find(self, url: str) -> Info:
        with reading_at_most(READING_CPU_SECONDS):
            try:
                info = self.extract_info(url, download=False)
            except YoutubeDLError as error:
                if not self.becomes_browser(error):
                    raise
                info = self.extract_info(url, download=False)
        if info is None:
            raise JobError(Reason.UNSUPPORTED, "the extractor gave nothing")
        return info  # type: ignore[no-any-return]

    def urlopen(self, req: Any) -> Any:
        """Send a request as yt-dlp does, note the file's name, and refuse an answer that declares itself endless."""
        self.last_url = req if isinstance(req, str) else req.url
        response = super().urlopen(req)
        refuse_endless(response.headers)
        if self._file_name is None and self.raw is None:
            self._file_name = file_name_of(response.headers.get("Content-Disposition"))
        self.unbounded = unbounded_kind(response.headers) if response.status == 200 else ""
        return response

    def extract_info(self, url: str, *arguments: Any, **more: Any) -> Any:
        """Find the address's extractor, which is the next one requested."""
        self._choosing_extractor = True
        return super().extract_info(url, *arguments, **more)

    def get_info_extractor(self, ie_key: str) -> Any:
        """Note the extractor that is requested first.

        Later ones are only asked whether a page embeds something of theirs.
        """
        if self._choosing_extractor:
            self.last_key, self._choosing_extractor = ie_key, False
        return super().get_info_extractor(ie_key)

    def process_ie_result(self, ie_result: Info, download: bool = True, extra_info: Info | None = None) -> Info:  # noqa: FBT001, FBT002 -- yt-dlp's signature
        """Replace a list of exactly one item by that item; refuse every other list before its entries are requested.

        Raises JobError.
        """
        if ie_result.get("_type", "video") not in {"playlist", "multi_video", "compat_list"}:
            return super().process_ie_result(ie_result, download, extra_info)  # type: ignore[no-any-return]
        entries = list(itertools.islice(iter(ie_result.get("entries") or ()), 2))
        if len(entries) != 1 or entries[0] is None:
            raise JobError(Reason.UNSUPPORTED, f"playlist of {'several' if entries else 'no'} entries")
        inherited = {key: ie_result[key] for key in ("extractor", "extractor_key", "webpage_url") if ie_result.get(key)}
        return self.process_ie_result(entries[0], download, {**inherited, **(extra_info or {})})

    def process_video_result(self, info_dict: Info, download: bool = True) -> Info:  # noqa: ARG002, FBT001, FBT002 -- yt-dlp's signature
        """Refuse a live stream, keep the description, and choose. Raises JobError."""
        if is_generic(info_dict) and not info_dict.get("is_live") and _has_playlist(info_dict):
            info_dict.pop("live_status", None)  # guessed from a line that many films lack: `hold_manifest` decides
        if info_dict.get("is_live") or info_dict.get("live_status") in _LIVE:
            raise JobError(Reason.LIVE, f"live status {info_dict.get('live_status') or 'is_live'}")
        if info_dict.get("direct") and self._file_name:
            info_dict[FILE_NAME] = self._file_name
        self.raw = _copy(info_dict)
        if self._chosen is None:
            return info_dict
        return self.choose(self._chosen) or info_dict

    def choose(self, selection: Selection) -> Info:
        """Return what yt-dlp would fetch of the item for a selection. Raises yt-dlp's errors if nothing fits."""
        assert self.raw is not None
        self.params["format_sort"] = list(selection.order)
        self.format_selector = self.build_format_selector(selection.expression)
        return super().process_video_result(_copy(self.raw), download=False)  # type: ignore[no-any-return]


def _has_playlist(info: Info) -> bool:
    return any(str(entry.get("protocol")).startswith("m3u8") for entry in info.get("formats") or (info,))


def _copy(info: Info) -> Info:
    """Copy an item: choosing writes into it and its formats, and not everything in it can be copied deeply."""
    copy = dict(info)
    if info.get("formats"):
        copy["formats"] = [dict(entry) for entry in info["formats"]]
    return copy


def _options(order: Order) -> Info:
    directory = Path(order.directory)
    options: Info = {
        "quiet": True,
        "no_warnings": False,
        "noprogress": True,
        "logger": LastLines(),
        "color": "never",
        "ignoreerrors": False,
        "cachedir": str(directory / PLAYERS_DIRECTORY) if order.players else False,
        "paths": {"home": order.directory, "temp": order.directory},
        "outtmpl": {"default": "media.%(ext)s"},
        "noplaylist": True,
        "playlist_items": None,
        "allow_playlist_files": False,
        "check_formats": None,
        "fixup": "never",
        "postprocessors": [],
        "external_downloader": "native",
        "external_downloader_args": None,
        "hls_use_mpegts": False,
        "retries": 2,
        "fragment_retries": 3,
        "extractor_retries": 1,
        "file_access_retries": 0,
        "skip_unavailable_fragments": False,
        "socket_timeout": order.read_seconds,
        "http_chunk_size": None,
        "extractor_args": pot_tokens.arguments(order.pot_provider),
        "enable_file_urls": False,
        "ffmpeg_location": order.ffmpeg,
        "proxy": "" if order.door is None else door_url(order.door),
        "updatetime": False,
        "continuedl": True,
        "remote_components": [],
    }
    if order.cookies_file is not None:
        options["cookiefile"] = str(directory / COOKIES_COPY)
    return options


def door_url(door: Door) -> str:
    """Return the gate as a proxy that resolves names itself."""
    return f"socks5h://{USER}:{door.token}@{door.host}:{door.port}"


def _normalize_url(url: str) -> str:
    """Do what yt-dlp does to each address that it requests, redirects included; refuse hosts with invisible characters.

    Clients drop some of them and so request another host than the visible one. Raises RequestError, and whatever error
    yt-dlp runs into.
    """
    try:
        host = unquote(urlsplit(url).hostname or "")
    except ValueError as error:
        raise RequestError(cause=error) from error
    if not host.isprintable():
        raise RequestError(cause=http.client.InvalidURL(f"{host!r:.100} is no host name"))
    return normalize_url(url)  # type: ignore[no-any-return]


def restrain() -> None:
    """Disable in yt-dlp, for good, what could start a program, load foreign code, lead elsewhere or never end."""
    plugin_dirs.value = []
    for module in (common, _requests, _urllib):  # each has its own name for it
        module.normalize_url = _normalize_url
    bound_answers()
    fetch_ahead()
    mark_gate_replies()
    EJSBaseJCP._ENABLE_PREPROCESSED_PLAYER_CACHE = True  # noqa: SLF001 -- off in yt-dlp, which removes no file of it

    def never(*_: object, **__: object) -> bool:
        return False

    def refuse(*_: object, **__: object) -> Any:
        raise JobError(Reason.UNSUPPORTED, "only ffmpeg could fetch this, and it is given no addresses")

    FFmpegFD.available = staticmethod(never)
    FFmpegFD.can_download = staticmethod(never)
    FFmpegFD.real_download = refuse
    FFmpegFD._call_downloader = refuse  # noqa: SLF001 -- the last line before the program is started
    FFmpegPostProcessor.real_run_ffmpeg = refuse
    FFmpegPostProcessor.get_audio_codec = refuse
    FFmpegPostProcessor.get_metadata_object = refuse
    FFmpegPostProcessor._get_ffmpeg_version = lambda *_: (False, {})  # noqa: SLF001 -- else yt-dlp runs it to ask


def parts_of(info: Mapping[str, Any]) -> list[Info]:
    """Return the streams to fetch: one, or picture and sound separately."""
    return list(info.get("requested_formats") or [dict(info)])


def fetch(extractor: Extractor, info: Info, path: Path, hook: Callable[[int, Info], None]) -> list[Path]:
    """Fetch every part of the chosen item into `path` and its number; `hook` gets a part's number and progress.

    Raises JobError and yt-dlp's errors.
    """
    paths: list[Path] = []
    for number, part in enumerate(parts_of(info)):
        whole = {**info, **part}
        whole.pop("requested_formats", None)
        if whole.get("protocol") in {"m3u8", "m3u8_native"} and is_generic(info):
            whole["hls_media_playlist_data"] = _mapped_once(hold_manifest(extractor, whole) or "")
        playlist = str(whole.get("hls_media_playlist_data") or "")
        target = path.with_name(f"{path.name}{number}")
        extractor._progress_hooks = [lambda status, number=number: hook(number, status)]  # noqa: SLF001 -- one a part
        _fetch_part(extractor, whole, target)
        joined = ("#EXT-X-DISCONTINUITY" in playlist and "#EXT-X-MAP" in playlist) or whole.get("is_dash_periods")
        if joined and jumps(target):
            raise JobError(Reason.UNSUPPORTED, "a stream whose clock begins anew", lacks="one_coding")
        paths.append(target)
    return paths


def _fetch_part(extractor: Extractor, whole: Info, path: Path) -> None:
    try:
        done, _ = extractor.dl(str(path), whole)
    except YoutubeDLError as error:
        if "Initialization fragment found after" in str(error):
            # yt-dlp joins only parts with the same encoding.
            raise JobError(Reason.UNSUPPORTED, "a stream coded in several ways", lacks="one_coding") from error
        if whole.get("protocol") in {"http", "https"} or re.search(r"HTTP Error 4(?!29)", str(error)) is None:
            raise
        # The playlist exists and one of its segments does not: the site is broken, the film is not gone.
        raise JobError(Reason.SITE_ERROR, one_line(f"a segment is missing: {error}")) from error
    if not done or not path.exists():
        raise JobError(Reason.NETWORK, "yt-dlp fetched nothing: " + " | ".join(extractor.params["logger"]))


def hold_manifest(extractor: Extractor, whole: Info, *, wait: bool = True) -> str | None:
    """Read an HLS playlist ourselves: yt-dlp would take the last half minute of a live one for the whole.

    The text is passed on to the downloader, so it costs no second request. Raises JobError for a live one. Many films
    lack the line that ends them; a playlist that does not grow for the duration of a segment is complete. Without
    `wait` it does not wait for that, and returns None if it is unknown.
    """
    text = _read_manifest(extractor, whole)
    if "#EXT-X-ENDLIST" not in text and not re.search(r"#EXT-X-PLAYLIST-TYPE:\s*VOD", text):
        if _MOVES.search(text) is not None:
            raise JobError(Reason.LIVE, "the HLS playlist has no end")
        if not wait:
            return None
        longest = re.search(r"#EXT-X-TARGETDURATION:\s*(\d+)", text)
        time.sleep(min(_LONGEST_SEGMENT_SECONDS, 1.5 * max(1, int(longest[1]) if longest else 0)))
        if _read_manifest(extractor, whole) != text:
            raise JobError(Reason.LIVE, "the HLS playlist grows")
        text += "\n#EXT-X-ENDLIST\n"
    whole["hls_media_playlist_data"] = text
    return text


_MOVES = re.compile(r"#EXT-X-MEDIA-SEQUENCE:\s*0*[1-9]|#EXT-X-PLAYLIST-TYPE:\s*EVENT|#EXT-X-PART|#EXT-X-SERVER-CONTROL")
"""What only a playlist contains that is still being written (RFC 8216, 4.3.3)."""
_LONGEST_SEGMENT_SECONDS = 15.0


def _mapped_once(text: str) -> str:
    """Return an HLS playlist without the EXT-X-MAP lines that repeat the present value.

    Playlists that combine several (a film and its breaks) repeat it after each EXT-X-DISCONTINUITY, and yt-dlp takes
    each such line for a stream with another encoding.
    """
    lines, last = [], None
    for line in text.splitlines():
        if line.startswith("#EXT-X-MAP:"):
            if line == last:
                continue
            last = line
        lines.append(line)
    return "\n".join(lines)


def _read_manifest(extractor: Extractor, whole: Info) -> str:
    with extractor.urlopen(Request(whole["url"], headers=whole.get("http_headers") or {})) as response:
        content: bytes = response.read()
        whole["url"] = response.url
    return content.decode("utf-8", "replace")
