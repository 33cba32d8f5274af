"""A job that requests its url as a browser, or plainly, and says what came. Loaded by the fork server, never by pytest.

The order's url is `TARGET URL`, a target of yt-dlp's (`chrome`) or `-` for none; with `!` behind it
certificates are checked.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec
import yt_dlp  # noqa: F401 -- loaded before the fork, as the program does
from yt_dlp.networking import Request
from yt_dlp.networking.impersonate import ImpersonateTarget

from doradura.child.failures import classify
from doradura.child.fetching import Extractor, restrain
from doradura.child.floor import TransferTooSlowError, hold
from doradura.child.impersonating import hold_impersonation
from doradura.media.protocol import Emit, Failure, Order, Result


def run_job(order: Order, emit: Emit) -> None:
    """Request it; the result's title is JSON."""
    target, _, url = order.url.partition(" ")
    restrain()
    hold_impersonation(hold(order.floor_seconds))
    extractor = Extractor(msgspec.structs.replace(order, url=url), None)
    extractor.params["nocheckcertificate"] = not target.endswith("!")  # the site vouches for itself
    target = target.rstrip("!")
    told: dict[str, Any] = {
        "loaded": "curl_cffi" in sys.modules,
        "handlers": sorted(extractor._request_director.handlers),
    }
    try:
        extensions = {} if target == "-" else {"impersonate": ImpersonateTarget.from_str(target)}
        with extractor.urlopen(Request(url, extensions=extensions)) as response:
            told |= {"status": response.status, "bytes": len(response.read()), "url": response.url}
    except (Exception, TransferTooSlowError) as error:  # noqa: BLE001 - whatever it is, it is told
        reason, detail = classify(error, generic=False)
        emit(Failure(reason=reason, detail=detail))
        return
    emit(Result(path="/nowhere/x", size_bytes=1, title=json.dumps(told)))
