"""What a child says to the gate and hears of it.

Owns how the gate's replies are told, in yt-dlp's errors, from what a site could write into an error's text.

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
    """Make yt-dlp's SOCKS errors tell the gate's replies, and a gate that is gone a fault of the network's."""
    Socks5Error.CODES = {**Socks5Error.CODES, **{code: f"{_WORD} {code:d}" for code in GateReply if code}}
    real = sockssocket.recvall

    def recvall(self: sockssocket, count: int) -> bytes:
        try:
            came: bytes = real(self, count)
        except EOFError as error:  # which no library between here and there takes for the network's
            raise ConnectionResetError(errno.ECONNRESET, "the gate hung up") from error
        return came

    sockssocket.recvall = recvall


def gate_reply(link: BaseException) -> GateReply | None:
    """Return what the gate answered, of an error that is its reply or tells of it."""
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
    """See that the gate answers and lets this job in. Raises OSError."""
    user, token = USER.encode(), door.token.encode()
    with socket.create_connection((door.host, door.port), KNOCK_SECONDS) as gate:
        gate.sendall(b"\x05\x01\x02\x01" + bytes([len(user)]) + user + bytes([len(token)]) + token)
        heard = b""
        while len(heard) < len(_LET_IN) and (piece := gate.recv(len(_LET_IN) - len(heard))):
            heard += piece
    if heard != _LET_IN:
        raise ConnectionRefusedError(errno.ECONNREFUSED, f"the gate answered {heard!r}")


def gate_reason(reply: GateReply) -> Reason:
    """Return what a reply means; all but a few are the network's doing."""
    return _REASONS.get(reply, Reason.NETWORK)


def in_plain_words(text: str) -> str:
    """Return an error's text with the replies in it named, and without the word."""
    return _TOLD.sub(lambda told: f"the gate says {_name(int(told[1]))}", text)


def _name(code: int) -> str:
    return GateReply(code).name.lower().replace("_", " ")
