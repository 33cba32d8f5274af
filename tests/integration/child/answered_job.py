"""The real job, whose requests are answered from a file. Loaded by the fork server, never by pytest.

`answers.json` in the job's directory is a list of what a site answers, the first that fits: a pattern of addresses,
whether only a browser gets it (null: everybody does), the status, headers, the body and where a redirect led to.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from http.cookiejar import Cookie
from pathlib import Path
from typing import Any

from yt_dlp.networking import Request, RequestHandler, Response
from yt_dlp.networking.common import Features
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.networking.impersonate import ImpersonateRequestHandler, ImpersonateTarget

from doradura.child import job
from doradura.child.impersonating import Browsing
from doradura.media.protocol import Emit, Order

_choose = Browsing.build_request_director


class _Answering(RequestHandler):  # type: ignore[misc]  # yt-dlp has no types
    _SUPPORTED_URL_SCHEMES = ("http", "https")
    _SUPPORTED_PROXY_SCHEMES = None
    _SUPPORTED_FEATURES = tuple(Features)
    browser = False

    def _check_extensions(self, extensions: dict[str, Any]) -> None:
        super()._check_extensions(extensions)
        for known in ("cookiejar", "timeout", "legacy_ssl"):
            extensions.pop(known, None)

    def _send(self, request: Request) -> Response:
        cookies = self._get_cookiejar(request)
        sent = cookies.get_cookie_header(request.url) or ""
        for answer in json.loads(Path("answers.json").read_text(encoding="utf-8")):
            wants = answer.get("browser")
            if not re.search(answer["at"], request.url) or wants not in {None, self.browser}:
                continue
            if answer.get("cookie", "") not in sent:
                continue
            for name in answer.get("sets", ()):
                cookies.set_cookie(_cookie(name, re.sub(r"https?://(www\.)?([^/]+).*", r".\2", request.url)))
            url = answer.get("url", request.url)
            response = Response(
                io.BytesIO(answer.get("body", "").encode()), url, answer.get("headers", {}), answer.get("status", 200)
            )
            if response.status >= 400:
                raise HTTPError(response)
            return response
        raise HTTPError(Response(io.BytesIO(b""), request.url, {}, 404))


class RequestsRH(_Answering):  # yt-dlp takes the key of a handler from its name
    """What Python's networking would be answered."""


class CurlCFFIRH(_Answering, ImpersonateRequestHandler):  # type: ignore[misc]  # as above
    """What a browser would be answered."""

    browser = True
    _SUPPORTED_IMPERSONATE_TARGET_MAP = {ImpersonateTarget("chrome", "150", "macos", "26"): "chrome150"}  # noqa: RUF012 -- yt-dlp's way

    def _check_extensions(self, extensions: dict[str, Any]) -> None:
        super()._check_extensions(extensions)
        extensions.pop("impersonate", None)


def _cookie(name: str, domain: str) -> Cookie:
    return Cookie(0, name, "1", None, False, domain, True, True, "/", True, True, None, False, None, None, {})


def _offer(self: Browsing, handlers: Iterable[Any], preferences: Any = None) -> Any:
    assert any(handler.RH_KEY == "Requests" for handler in handlers)
    return _choose(self, [RequestsRH, CurlCFFIRH], preferences)


def run_job(order: Order, emit: Emit) -> None:
    """Do the order as the program does, but for where its requests go."""
    Browsing.build_request_director = _offer  # type: ignore[method-assign]
    job.run_job(order, emit)
