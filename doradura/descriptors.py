"""Whether this process can open another file.

Libraries report the lack of file descriptors as something else: SQLite as a file that cannot be opened, HTTP clients as
an unreachable network. Whoever words such an error asks here first.
"""

from __future__ import annotations

import errno
import os

from doradura.health_sentences import HealthText

NO_DESCRIPTORS = HealthText.NO_DESCRIPTORS


def out_of_descriptors() -> bool:
    """Try to open one more file, and return whether that failed for lack of descriptors, ours or the machine's."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in {errno.EMFILE, errno.ENFILE}
    return False
