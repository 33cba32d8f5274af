"""Reads DORADURA_DOWNLOAD_PROXY: which proxy the gate uses for which site."""

from __future__ import annotations

from collections.abc import Mapping

from doradura.media.sites import SITES
from doradura.startup import EXIT_SETTINGS, StartupError

DIRECT = "direct"
REST = "*"


class WaysError(StartupError):
    """The setting names an unknown site; the message lists the known ones."""

    exit_code = EXIT_SETTINGS


def parse_ways(setting: str | None) -> Mapping[str, str | None]:
    """Return the proxy's URL of each site, None where there is none. The setting has the form that settings/ checked.

    A site that is not named goes by `*`, and without that directly. Raises WaysError.
    """
    if setting is None or "=" not in setting.partition("://")[0]:
        return dict.fromkeys(SITES, setting)
    told = dict(entry.split("=", 1) for entry in setting.split(","))
    unknown = [site for site in told if site not in SITES and site != REST]
    if unknown:
        raise WaysError(
            f"DORADURA_DOWNLOAD_PROXY names {unknown[0]}, which is not a site that the bot tells apart; "
            f"there are {', '.join(SITES)}, and * for the rest."
        )
    ways = {site: told.get(site, told.get(REST, DIRECT)) for site in SITES}
    return {site: None if way == DIRECT else way for site, way in ways.items()}
