"""The sites that metrics and breakers distinguish: a fixed list; everything else is "other".

Owns only the list. yt-dlp decides what it can fetch from; this bounds the values of a label.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

_HOSTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "youtube": ("youtube.com", "youtu.be", "youtube-nocookie.com"),
        "tiktok": ("tiktok.com",),
        "instagram": ("instagram.com", "instagr.am"),
        "soundcloud": ("soundcloud.com", "snd.sc"),
        "vimeo": ("vimeo.com",),
        "twitter": ("twitter.com", "x.com", "t.co"),
        "reddit": ("reddit.com", "redd.it"),
        "facebook": ("facebook.com", "fb.watch", "fb.com"),
        "twitch": ("twitch.tv",),
        "bandcamp": ("bandcamp.com",),
        "dailymotion": ("dailymotion.com", "dai.ly"),
        "pinterest": ("pinterest.com", "pin.it"),
        "vk": ("vk.com", "vk.ru", "vkvideo.ru"),
        "rutube": ("rutube.ru",),
        "bilibili": ("bilibili.com", "b23.tv", "bilibili.tv"),
    }
)

SITES: tuple[str, ...] = (*_HOSTS, "other")
"""Every value that `site_of` returns."""


def site_of(url: str) -> str:
    """Return the site of a link; "other" for sites that are not on the list and for what is not a link."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return "other"
    for site, domains in _HOSTS.items():
        if any(host == domain or host.endswith(f".{domain}") for domain in domains):
            return site
    return "other"


def is_known_host(host: str) -> bool:
    """Return whether a listed site uses this very name, so that a resolver that does not know it is at fault."""
    name = re.sub(r"^(?:www|m|music|vm|old)\.", "", host.lower().rstrip("."))
    return any(name in domains for domains in _HOSTS.values())


def bare_host_pattern() -> str:
    """Return a pattern of the listed hosts, for finding links that were written without a scheme."""
    return r"(?:[a-z0-9-]+\.)*(?:" + "|".join(re.escape(d) for domains in _HOSTS.values() for d in domains) + ")"
