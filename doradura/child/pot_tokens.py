"""PO tokens, by which YouTube tells a browser from what is none: fetched from a provider of the operator's.

Owns the conversation with the provider: HTTP as bgutil's server speaks it (`POST /get_pot`). It is one of yt-dlp's own
providers, registered by its public interface when this module is imported, so it needs no plugin; yt-dlp decides for
which requests a token is wanted, and goes on without one if there is none. It is asked through the gate like any site.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
from yt_dlp.extractor.youtube.pot.provider import (
    PoTokenProvider,
    PoTokenProviderError,
    PoTokenProviderRejectedRequest,
    PoTokenResponse,
    register_provider,
)
from yt_dlp.extractor.youtube.pot.utils import WEBPO_CLIENTS, get_webpo_content_binding
from yt_dlp.networking import Request
from yt_dlp.networking.exceptions import RequestError

ARGUMENTS: Final = "youtubepot-doradura"
"""Where yt-dlp keeps the provider's settings among `extractor_args`."""
_URL: Final = "base_url"
_SECONDS: Final = 20.0
"""A provider that has just started needs several."""


class _Answer(msgspec.Struct):
    token: str = msgspec.field(name="poToken")


@register_provider
class DoraduraPTP(PoTokenProvider):  # type: ignore[misc]  # yt-dlp has no types, and makes the provider's name of this
    """Asks the provider that the order names; without one it is not available."""

    _SUPPORTED_CLIENTS = WEBPO_CLIENTS
    _SUPPORTED_CONTEXTS = None
    _SUPPORTED_EXTERNAL_REQUEST_FEATURES = None

    def is_available(self) -> bool:
        """Return whether there is a provider to ask."""
        return bool(self._configuration_arg(_URL, [""], casesense=True)[0])

    def _real_request_pot(self, request: Any) -> Any:
        binding, _ = get_webpo_content_binding(request)
        if not binding:
            raise PoTokenProviderRejectedRequest("nothing to bind a token to")
        asked = Request(
            f"{self._configuration_arg(_URL, casesense=True)[0]}/get_pot",
            data=json.dumps({"content_binding": binding}).encode(),
            headers={"Content-Type": "application/json"},
            extensions={"timeout": _SECONDS},
        )
        try:
            with self._request_webpage(asked, note="asking for a PO token") as response:
                return PoTokenResponse(msgspec.json.decode(response.read(), type=_Answer).token)
        except (RequestError, msgspec.MsgspecError) as error:
            raise PoTokenProviderError(f"the provider gives no token: {error}", expected=True) from error


def arguments(provider: str) -> dict[str, dict[str, list[str]]]:
    """Return yt-dlp's `extractor_args` for a provider's address; none for ""."""
    return {ARGUMENTS: {_URL: [provider]}} if provider else {}
