"""Compares the length that a file's own headers state with how much of the file is there.

Owns the reading of the few header fields that FFmpeg keeps to itself: for a file that is cut off, FFmpeg guesses a
length from the rest without saying so. It runs in children only.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer

from doradura.child.facts import Facts
from doradura.child.ffmpeg import CONTAINERS, PROTOCOLS

_MISSING_SECONDS: Final = 0.5
_MISSING_SHARE: Final = 0.03
"""How much of the stated length may be missing: the last subtitle, a shorter sound, a rounded rate."""
_WHOLE_SHARE: Final = 1 - _MISSING_SHARE
_BACK_SECONDS: Final = 0.5
_AHEAD_SECONDS: Final = 30.0
"""How far a stream's clock may move from one packet to the next: a sound may pause, but time does not go back."""
_ASF_PROPERTIES: Final = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_W64: Final = b"riff\x2e\x91\xcf\x11"
_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"mfra", b"sidx", b"styp"})
_TRANSPORT: Final = ((188, 0), (192, 4))
"""Bytes of a packet and where its sync byte stands, on air (ISO 13818-1, 2.4.3) and on discs."""
_SYNC: Final = 0x47
_PAGE_HEAD_BYTES: Final = 27
_PAGE_BYTES: Final = _PAGE_HEAD_BYTES + 255 + 255 * 255
"""The most that a page of Ogg has (RFC 3533, 6)."""
_BOXES_READ: Final = 100_000
_START_BYTES: Final = 256 * 1024
_MPEG_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Sample rates by the version in a frame's header: MPEG 1, 2 and 2.5."""


def stated_seconds(start: bytes, facts: Facts) -> float | None:
    """Return the length in seconds that a file's headers state; None if they state none. `start` is its first bytes."""
    if "mp3" in facts.container.split(","):
        xing = read_xing(start)
        return None if xing is None else xing[0]
    if facts.container == "avi":
        return _avi_seconds(start)
    if facts.container == "wav":
        return _wav_seconds(start)
    if facts.container == "asf":
        asf = _asf_states(start)
        return None if asf is None else asf[0]
    states = {
        "mov": _mov_states,
        "matroska": _matroska_states,
        "flac": _flac_states,
        "flv": _flv_states,
        "aiff": _always,
        "tta": _always,
        "wv": _wavpack_states,
        "au": _au_states,
    }.get(facts.container.partition(",")[0])
    return facts.duration_seconds if states is not None and states(start) else None


def is_cut_off(path: Path, facts: Facts | None) -> bool:
    """Return whether a file ends before its own headers say; False if they state nothing. Reads the whole file."""
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
        start += file.read(max(0, _id3_bytes(start) + 4096 - len(start)))  # a song's cover stands before its header
    size_bytes = path.stat().st_size
    if _ends_early(path, start, size_bytes) or _has_cut_piece(path, start, size_bytes):
        return True
    if facts is None:
        return False
    if "mp3" in facts.container.split(","):
        xing = read_xing(start)
        return xing is not None and 0 < size_bytes < xing[1] * (1 - _MISSING_SHARE)
    stated = stated_seconds(start, facts)
    if stated is None and start[4:8] == b"ftyp" and b"sidx" in start:  # the index of all fragments
        stated = facts.duration_seconds
    if stated is None:
        return False
    return measured_seconds(path) < stated - max(_MISSING_SECONDS, stated * _MISSING_SHARE)


def measured_seconds(path: Path) -> float:
    """Return when the file's last packet ends, in seconds from its first; 0 without any. Reads the whole file."""
    first, last = float("inf"), 0.0
    with suppress(av.FFmpegError, ValueError), _opened(path) as container:
        for packet in container.demux():
            at = packet.pts if packet.pts is not None else packet.dts
            if at is not None and packet.time_base:
                first = min(first, float(at * packet.time_base))
                last = max(last, float((at + (packet.duration or 0)) * packet.time_base))
    return last - min(first, last)


def goes_on(path: Path, size_bytes: int, facts: Facts | None) -> bool:
    """Return whether a file's own headers say that it has more than this many bytes; `path` may hold only its start."""
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    if facts is not None and "mp3" in facts.container.split(","):
        xing = read_xing(start)
        return xing is not None and size_bytes < xing[1] * (1 - _MISSING_SHARE)
    return _ends_early(path, start, size_bytes)


def _ends_early(path: Path, start: bytes, size_bytes: int) -> bool:
    """Return whether the sizes in a file's headers add up to more than this many bytes."""
    return (start[4:8] in _BOXES and _has_cut_box(path, size_bytes)) or size_bytes < _stated_bytes(start) * _WHOLE_SHARE


def _has_cut_piece(path: Path, start: bytes, size_bytes: int) -> bool:
    """Return whether a file of equal packets (MPEG-TS) or pages (Ogg), which states no length, ends within one."""
    for packet_bytes, at in _TRANSPORT:
        if len(start) > 3 * packet_bytes and all(start[at + n * packet_bytes] == _SYNC for n in range(3)):
            return size_bytes % packet_bytes != 0
    if start[:4] != b"OggS":
        return False
    with path.open("rb") as file:
        file.seek(max(0, size_bytes - _PAGE_BYTES))
        end = file.read()
    page = end[end.rfind(b"OggS") :]
    segments = page[_PAGE_HEAD_BYTES : _PAGE_HEAD_BYTES + page[26]] if len(page) >= _PAGE_HEAD_BYTES else b""
    return not segments or len(page) < _PAGE_HEAD_BYTES + len(segments) + sum(segments)


def jumps(path: Path) -> bool:
    """Return whether a stream's clock jumps back, or far ahead, as where parts of several films meet.

    FFmpeg repairs that only in MPEG-TS. In an MP4 file the following part is played in no time, or after a gap.
    """
    last: dict[int, float] = {}
    with suppress(av.FFmpegError, ValueError), _opened(path) as container:
        for packet in container.demux():
            if packet.dts is None or not packet.time_base:
                continue
            at = float(packet.dts * packet.time_base)
            before = last.get(packet.stream_index, at)
            if not before - _BACK_SECONDS <= at <= before + _AHEAD_SECONDS:
                return True
            last[packet.stream_index] = at
    return False


def read_xing(start: bytes) -> tuple[float, int] | None:
    """Return the length in seconds and the bytes that an MP3's Xing (or Info) header states; None without one.

    http://gabriel.mp3-tech.org/mp3infotag.html; encoders with a variable rate always write it, LAME and FFmpeg for any.
    """
    at = _id3_bytes(start)
    frame = start[at : at + 200]
    if len(frame) < 60 or frame[0] != 0xFF or frame[1] & 0xE6 != 0xE2:
        return None
    version, rate = frame[1] >> 3 & 3, frame[2] >> 2 & 3
    found = re.search(rb"Xing|Info", frame)
    if version not in _MPEG_RATES or rate == 3 or found is None:
        return None
    fields = frame[found.end() :]
    if len(fields) < 12 or fields[3] & 3 != 3:
        return None
    frames, size_bytes = int.from_bytes(fields[4:8], "big"), int.from_bytes(fields[8:12], "big")
    samples = 1152 if version == 3 else 576
    if not frames:
        return None
    return frames * samples / _MPEG_RATES[version][rate], at + size_bytes


def _id3_bytes(start: bytes) -> int:
    """Return the length of the tag before an MP3's frames (ID3v2, 3.1); 0 without one."""
    if start[:3] != b"ID3" or len(start) <= 10:
        return 0
    return 10 + sum((byte & 0x7F) << (7 * (3 - place)) for place, byte in enumerate(start[6:10]))


def _mov_states(start: bytes) -> bool:
    """Return whether the index is there and covers the whole film. A fragmented file's may state no length."""
    return b"moov" in start and b"mvex" not in start and b"moof" not in start


def _matroska_states(start: bytes) -> bool:
    """Return whether the segment's information has the Duration element (live recordings have none)."""
    at = start.find(b"\x15\x49\xa9\x66")
    return at >= 0 and re.search(rb"\x44\x89[\x84\x88]", start[at : at + 1024]) is not None


def _flv_states(start: bytes) -> bool:
    """Return whether the script data at the start have a length."""
    return b"\x00\x08duration\x00" in start[:8192]


def _flac_states(start: bytes) -> bool:
    """Return whether the stream's information counts the samples."""
    at = start.find(b"fLaC")
    return at >= 0 and any((start[at + 21] & 0x0F, *start[at + 22 : at + 26])) if len(start) > at + 26 else False


def _stated_bytes(start: bytes) -> int:
    """Return the least number of bytes according to the first bytes.

    0 if they don't say, as in what was written to a pipe.
    """
    told = 0
    if start[:4] == b"RIFF":
        told = int.from_bytes(start[4:8], "little")
        told = 0 if told == _UNKNOWN else told
    elif start[:3] == b"ID3":
        told = _id3_bytes(start)
    elif start[:4] == b"RF64" and start[12:16] == b"ds64":
        told = int.from_bytes(start[20:28], "little")
    elif start[:4] == b"FORM":
        told = int.from_bytes(start[4:8], "big")
    elif start[:8] == _W64:
        told = int.from_bytes(start[16:24], "little")
    elif start[:4] == b"caff":
        told = _caf_bytes(start)
    elif (asf := _asf_states(start)) is not None:
        told = asf[1]
    return told if told < _LARGEST else 0


_UNKNOWN: Final = 0xFFFFFFFF
_LARGEST: Final = 1 << 40
"""Longer than any file: this is not a length, but what is written when it is unknown."""


def _caf_bytes(start: bytes) -> int:
    """Return where a Core Audio file's sound ends: its chunks have eight bytes of length, all set if it is unknown."""
    at = 8
    while start[at : at + 4] not in {b"data", b""}:
        at += 12 + int.from_bytes(start[at + 4 : at + 12], "big")
    return at + 12 + int.from_bytes(start[at + 4 : at + 12], "big") if start[at : at + 4] else 0


def _asf_states(start: bytes) -> tuple[float, int] | None:
    """Return seconds and bytes by an ASF file's properties (WMA, WMV; ASF specification, 3.2); None in a broadcast."""
    at = start.find(_ASF_PROPERTIES)
    if start[:4] != b"\x30\x26\xb2\x75" or at < 0 or len(start) < at + 92:
        return None

    def field(offset: int, length: int = 8) -> int:
        return int.from_bytes(start[at + offset : at + offset + length], "little")

    seconds = field(64) / 10_000_000 - field(80) / 1000
    return (seconds, field(40)) if not field(88, 4) & 1 and seconds > 0 else None


def _wav_seconds(start: bytes) -> float | None:
    """Return the length of a WAV file's sound by its bytes per second; None if no length was written."""
    form, data = start.find(b"fmt "), start.find(b"data")
    if min(form, data) < 0 or len(start) < max(form + 20, data + 8):
        return None
    bytes_per_second = int.from_bytes(start[form + 16 : form + 20], "little")
    told = int.from_bytes(start[data + 4 : data + 8], "little")
    if start[:4] == b"RF64":
        told = int.from_bytes(start[28:36], "little")
    return told / bytes_per_second if bytes_per_second and 0 < told < _LARGEST and told != _UNKNOWN else None


def _always(_start: bytes) -> bool:
    return True


def _wavpack_states(start: bytes) -> bool:
    """Return whether the first block counts all samples."""
    return start[:4] == b"wvpk" and int.from_bytes(start[12:16], "little") != _UNKNOWN


def _au_states(start: bytes) -> bool:
    return int.from_bytes(start[8:12], "big") != _UNKNOWN


def _avi_seconds(start: bytes) -> float | None:
    """Return the length in an AVI file's main header: time per frame times frames (those of all parts: dmlh)."""
    at, all_parts = start.find(b"avih"), start.find(b"dmlh")
    if at < 0 or len(start) < at + 32:
        return None
    frame_us = int.from_bytes(start[at + 8 : at + 12], "little")
    frames = int.from_bytes(start[at + 24 : at + 28], "little")
    if all_parts >= 0:
        frames = max(frames, int.from_bytes(start[all_parts + 8 : all_parts + 12], "little"))
    return frame_us * frames / 1_000_000 or None


def _has_cut_box(path: Path, size_bytes: int) -> bool:
    """Return whether the last of an MP4 file's outermost boxes goes on behind the file's end."""
    at = 0
    with path.open("rb") as file:
        for _ in range(_BOXES_READ):
            file.seek(at)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if header[4:8] not in _BOXES or length < 8:  # padding, something appended, or up to the end
                return False
            at += length
            if at >= size_bytes:
                return at > size_bytes
    return False


def _opened(path: Path) -> InputContainer:
    options = {"protocol_whitelist": PROTOCOLS, "format_whitelist": CONTAINERS}
    return av.open(f"file:{path}", options=options, metadata_errors="replace")
