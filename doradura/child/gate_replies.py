"""The gate's replies, as a child recognises them in yt-dlp's errors, and the self-test's login at the gate.

Owns the distinction between a reply of the gate and what a site could write into an error's text.

yt-dlp keeps a reply's number while its own error travels; libraries on the way keep an error's text more often than its
type. So each reply of the gate has a text of its own in this process, with a word in it that no site can know.
"""

from __future__ import annotations

import errno
import re
import secrets
import socket
from typing import Final

from yt_dlp.socks import Socks5Error, sockssocket

from doradura.media.gatecontrol import USER, GateReply
from doradura.media.protocol import Door
from doradura.media.reasons import Reason

_WORD: Final = f"doradura-gate-{secrets.token_hex(12)}"
_TOLD: Final = re.compile(_WORD + r" (\d+)")

_LET_IN: Final = b"\x05\x02\x01\x00"
KNOCK_SECONDS: Final = 10.0

_REASONS: Final = {
    GateReply.REFUSED_ADDRESS: Reason.REFUSED_ADDRESS,
    GateReply.NO_SUCH_NAME: Reason.GONE,
    # A job of ours has a few connections: so many are a fault of ours, or not ours at all.
    GateReply.TOO_MANY: Reason.INTERNAL,
}


def mark_gate_replies() -> None:
    """Give yt-dlp's SOCKS errors the texts of `told_as`, and make a gate that hung up a network error."""
    Socks5Error.CODES = {**Socks5Error.CODES, **{code: told_as(code) for code in GateReply if code}}
    real = sockssocket.recvall

    def recvall(self: sockssocket, count: int) -> bytes:
        try:
            came: bytes = real(self, count)
        except EOFError as error:  # which no library between here and there takes for the network's
            raise ConnectionResetError(errno.ECONNRESET, "the gate hung up") from error
        return came

    sockssocket.recvall = recvall


def told_as(code: int) -> str:
    """Return the text that stands for a reply's number in this process's errors."""
    return f"{_WORD} {code:d}"


def gate_reply(link: BaseException) -> GateReply | None:
    """Return the gate's reply that an error is or quotes; None if it is neither."""
    found = _TOLD.search(str(link))
    if found is not None:
        code = int(found[1])
    elif isinstance(link, Socks5Error):
        code = int(getattr(link, "errno", None) or 0)
    else:
        return None
    try:
        return GateReply(code)
    except ValueError:
        return GateReply.FAILED


def knock(door: Door) -> None:
    """Log in at the gate as this job. Raises OSError if it does not answer or does not let the job in."""
    user, token = USER.encode(), door.token.encode()
    with socket.create_connection((door.host, door.port), KNOCK_SECONDS) as gate:
        gate.sendall(b"\x05\x01\x02\x01" + bytes([len(user)]) + user + bytes([len(token)]) + token)
        heard = b""
        while len(heard) < len(_LET_IN) and (piece := gate.recv(len(_LET_IN) - len(heard))):
            heard += piece
    if heard != _LET_IN:
        raise ConnectionRefusedError(errno.ECONNREFUSED, f"the gate answered {heard!r}")


def gate_reason(reply: GateReply) -> Reason:
    """Return the reason for a failure by a reply; all but a few are the network's."""
    return _REASONS.get(reply, Reason.NETWORK)


def in_plain_words(text: str) -> str:
    """Return an error's text with the replies in it named, and without the word."""
    return _TOLD.sub(lambda told: f"the gate says {_name(int(told[1]))}", text)


def _name(code: int) -> str:
    return GateReply(code).name.lower().replace("_", " ")
