"""The name that a server gives a file: the Content-Disposition header, as servers really write it.

Owns the reading of that header alone; what of a name is worth showing, `describing` knows.
"""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from typing import Final
from urllib.parse import unquote

_PLAIN: Final = re.compile(r"""(?i);\s*filename\s*=\s*(?:"(?:\\.|[^"\\])*"|[^;]*)""")
_EXTENDED: Final = re.compile(r"(?i);\s*filename\*\s*=")
_ENDING: Final = re.compile(r"(?<=.)\.(?=\w*[a-z])\w{1,5}$", re.IGNORECASE)
"""Not the last digits of "Vol. 2.5"."""


def file_name_of(disposition: str | None) -> str | None:
    """Return the file's name, without its ending, out of a Content-Disposition header.

    Of two names the extended one (filename*) counts, wherever it stands (RFC 6266, 4.3). Where there should be plain
    letters, servers write UTF-8, encoded words (RFC 2047) and percent signs.
    """
    if not disposition:
        return None
    told = re.sub(r"[\t\r\n ]+", " ", disposition)
    name = (_name_in(_PLAIN.sub("", told)) if _EXTENDED.search(told) else "") or _name_in(told)
    name = name.replace("\\", "/").rpartition("/")[2].strip(" '")
    return _ENDING.sub("", name).strip() or None


def _name_in(disposition: str) -> str:
    header = Message()
    header["Content-Disposition"] = disposition
    try:
        told = header.get_param("filename", header="content-disposition")
        name = header.get_filename() or ""
        if isinstance(told, tuple):
            codecs.lookup(told[0] or "us-ascii")  # else the name would be taken for another alphabet's
            return name
        if "=?" in name:
            name = str(make_header(decode_header(name)))
    except (LookupError, ValueError, TypeError, HeaderParseError):
        return ""  # a character set that is none, or a name in parts of two spellings
    with suppress(UnicodeError):
        name = name.encode("latin-1").decode()
    with suppress(UnicodeError):
        name = unquote(name.removeprefix("UTF-8''"), errors="strict")
    return name
