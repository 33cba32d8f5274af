"""`python -m doradura.child.worker`: the fork server's program, and what each of its children does.

Owns the order of steps in a child: limits, directory, environment, egress guard, and only then the job. It must not
know how the job is done (`job.py`) nor how children are made and ended (`forkserver.py`). Everything slow is done once,
before the first fork: importing yt-dlp, and compiling every known site's pattern.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import os
import socket
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from doradura.child import guard, limits
from doradura.child.forkserver import ForkServer
from doradura.media import addresses, processes
from doradura.media.forkcontrol import DEFAULT_JOB, EX_CONFIG
from doradura.media.protocol import LINE_LIMIT_BYTES, Emit, Failure, Order, WorkerMessage
from doradura.media.reasons import reason_of

_UNHEARD: Final = 74  # sysexits.h: EX_IOERR
_KEPT_VARIABLES: Final = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")

RunJob = Callable[[Order, Emit], None]


def main(arguments: list[str] | None = None) -> int:
    """Load everything, then serve the control socket until it ends. Return 78 if something installed forbids it."""
    parser = argparse.ArgumentParser(prog="doradura.child.worker")
    parser.add_argument("--control", type=int, required=True, help="descriptor of the control socket")
    parser.add_argument("--job", default=DEFAULT_JOB, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    if importlib.util.find_spec("curl_cffi") is not None:
        sys.stderr.write(
            "curl_cffi is installed: it opens connections that the egress guard cannot see, so downloads could reach "
            "private addresses. Uninstall it (pip uninstall curl_cffi) and start again.\n"
        )
        return EX_CONFIG
    module, _, name = options.job.partition(":")
    run_job: RunJob = getattr(importlib.import_module(module), name)
    if options.job == DEFAULT_JOB:
        load_yt_dlp()
    limits.adopt_orphans()
    gc.collect()
    gc.freeze()  # a garbage collection in a child would write to, and so copy, every page that it shares with us
    with socket.socket(fileno=options.control) as control:
        ForkServer(control, lambda conversation: work(conversation, run_job)).run(
            loaded_seconds=time.monotonic() - began
        )
    return 0


def load_yt_dlp() -> None:
    """Import yt-dlp and compile each extractor's URL pattern, which every process would otherwise do for every link.

    The extractors used most are imported completely; the others are stubs until their pattern matches.
    """
    extractor = importlib.import_module("yt_dlp.extractor")
    for each in extractor.gen_extractor_classes():
        each._match_valid_url("")  # noqa: SLF001  # what compiles and keeps the pattern; nothing public does
    for name in ("generic", "youtube", "soundcloud", "vimeo", "tiktok", "instagram", "twitter"):
        importlib.import_module(f"yt_dlp.extractor.{name}")
    importlib.import_module("encodings.idna")


def work(conversation: socket.socket, run_job: RunJob) -> int:
    """Do all that a child does: read the order, confine the process, run the job. Return the exit status."""
    order = read_order(conversation)
    if order is None:
        return 0
    run_confined(order, emitter(conversation), run_job)
    return 0


def run_confined(order: Order, emit: Emit, run_job: RunJob) -> None:
    """Run a job under its limits and behind the guard, for good: this process can do nothing else afterwards."""
    try:
        confine(order)
    except OSError as error:
        emit(Failure(reason=reason_of(error), detail=f"the job's directory cannot be used: {error}"[:500]))
        return
    allowed = addresses.AllowedPrivate.parse(order.allowed_private)
    only = None if order.door is None else (order.door.host, order.door.port)
    guard.install(allowed, startable_programs(order), only=only)
    run_job(order, emit)


def read_order(conversation: socket.socket) -> Order | None:
    """Return the first line of the conversation; None if the other side left without one."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = conversation.recv(64 * 1024)
        if not piece or len(line) > LINE_LIMIT_BYTES:
            return None
        line += piece
    return msgspec.json.decode(line, type=Order)


def emitter(conversation: socket.socket) -> Emit:
    """Return the function that sends a message as a line, whole even from several threads.

    It exits if nobody listens.
    """
    lock = threading.Lock()
    encoder = msgspec.json.Encoder()

    def emit(message: WorkerMessage) -> None:
        line = encoder.encode(message) + b"\n"
        try:
            with lock:
                conversation.sendall(line)
        except OSError:
            os._exit(_UNHEARD)

    return emit


def confine(order: Order) -> None:
    """Put the order's limits, directory and environment in force. Raises OSError if the directory does not exist."""
    limits.apply(order.limits)
    _settle(order.directory)


def _settle(directory: str) -> None:
    """Make the job's directory the only one this process uses, and clear the environment.

    Proxy variables would bypass the egress guard, HOME and XDG lead to other people's settings, and the bot's own
    variables hold secrets. PATH keeps only the directory of our interpreter.
    """
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    os.environ.clear()
    os.environ.update(kept)
    os.environ.update(
        dict.fromkeys(("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"), directory)
    )
    os.environ.update({"PATH": str(Path(sys.executable).parent), "YTDLP_NO_PLUGINS": "1"})
    leader = processes.read_process(os.getpid())
    if leader is not None:  # there is a /proc
        os.environ[processes.SESSION_VARIABLE] = f"{leader.pid}:{leader.start_time}"
    tempfile.tempdir = directory
    os.chdir(directory)


def startable_programs(order: Order) -> list[str]:
    """Return ffmpeg, and the JavaScript runtime if the `youtube` extra put it beside the interpreter.

    yt-dlp runs that one with the site's code on its standard input, with `--no-prompt --no-remote` and no `--allow-`
    option, so the code has neither network nor files.
    """
    deno = Path(sysconfig.get_path("scripts")) / "deno"
    return [order.ffmpeg, str(deno)]


if __name__ == "__main__":
    sys.exit(main())
