"""A job that has yt-dlp fetch a PO token for a video of its link. Loaded by the fork server, never by pytest."""

from __future__ import annotations

import json

import yt_dlp.extractor.youtube  # noqa: F401 -- loaded before the fork, as the program does
from yt_dlp.extractor.youtube._base import INNERTUBE_CLIENTS
from yt_dlp.extractor.youtube._video import _PoTokenContext
from yt_dlp.extractor.youtube.pot._director import initialize_pot_director
from yt_dlp.networking import Request

from doradura.child.failures import classify
from doradura.child.fetching import Extractor, restrain
from doradura.media.protocol import Emit, Order, Result


def run_job(order: Order, emit: Emit) -> None:
    """Fetch it, as YouTube's extractor does; the result's title is JSON."""
    restrain()
    extractor = Extractor(order, None)
    site = extractor.get_info_extractor("Youtube")
    site._pot_director = initialize_pot_director(site)
    told = {}
    for context in (_PoTokenContext.GVS, _PoTokenContext.PLAYER):
        told[context.value] = site.fetch_po_token(
            client="web",
            context=context,
            ytcfg=INNERTUBE_CLIENTS["web"],
            visitor_data="a visitor",
            video_id="abcdefghijk",
            required=True,
        )
    told["log"] = list(extractor.params["logger"])
    try:  # past yt-dlp's own provider
        extractor.urlopen(Request(order.url.partition("#")[2] or "http://10.0.0.1/")).close()
        told["straight"] = "reached"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        told["straight"] = str(classify(error, generic=True)[0])
    emit(Result(path="/nowhere/x", size_bytes=1, title=json.dumps(told)))
