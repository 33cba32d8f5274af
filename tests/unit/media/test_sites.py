"""The fixed list of sites."""

from __future__ import annotations

import pytest

from doradura.media.sites import SITES, site_of


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://www.youtube.com/watch?v=1", "youtube"),
        ("https://youtu.be/1", "youtube"),
        ("https://music.YouTube.com./watch", "youtube"),
        ("https://vm.tiktok.com/1", "tiktok"),
        ("https://x.com/a/status/1", "twitter"),
        ("https://artist.bandcamp.com/track/1", "bandcamp"),
        ("https://notyoutube.com/", "other"),
        ("https://youtube.com.evil.example/", "other"),
        ("https://netflix.com/", "other"),
        ("http://[::1", "other"),
        ("words", "other"),
    ],
)
def test_the_site_of_a_link(url: str, site: str) -> None:
    """A listed site is known by its domain and those below it, nothing else."""
    assert site_of(url) == site


def test_the_list_is_bounded() -> None:
    """Fifteen sites and one word for the rest."""
    assert len(SITES) == len(set(SITES)) == 16
    assert SITES[-1] == "other"
