from __future__ import annotations

import pytest

from doradura.reachable import is_link, is_public_url


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/doradura/doradura/blob/main/docs/runbooks.md#botdown",
        "http://wiki.doradura.dev:8080/a",
        "HTTPS://Wiki.Doradura.DEV./a",
        "https://8.8.8.8/a",
        "https://[2a00:1450:4001::1]/a",
        "https://xn--e1afmkfd.xn--p1ai/a",
    ],
)
def test_public_links(url: str) -> None:
    """A name with a dot and an address of the internet lead somewhere from a phone."""
    assert is_public_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "see the wiki",
        "ftp://github.com/a",
        "https://a b.com/",
        "https://github.com/<b>",
        "https://[::1",
        "https://github.com:port/",
        "http:///runbooks/BotDown",
        "http://localhost:9090/runbooks/BotDown",
        "http://doradura-bot:9090/runbooks/BotDown",
        "http://host.docker.internal:9090/runbooks/BotDown",
        "http://bot.LAN./a",
        "http://prometheus.monitoring.svc.cluster.local/a",
        "http://router.home.arpa/a",
        "http://127.0.0.1:9090/runbooks/BotDown",
        "http://127.1/a",
        "http://2130706433/a",
        "http://0x7f.0.0.0x1/a",
        "http://10.1.2.3/a",
        "http://172.16.0.1/a",
        "http://192.168.1.1/a",
        "http://100.64.0.1/a",
        "http://169.254.1.1/a",
        "http://0.0.0.0:9090/a",
        "http://[::1]:9090/a",
        "http://[fd00::1]/a",
        "http://[fe80::1%25eth0]/a",
        "http://[::ffff:10.1.2.3]/a",
        "https://user@10.1.2.3/a",
    ],
)
def test_links_that_lead_nowhere_from_a_phone(url: str) -> None:
    """Loopback and private addresses in every spelling, names of a private network, and what is no link."""
    assert not is_public_url(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9090/a", "http://bot:9090/graph?g0.expr=up", "HTTP://[::1]/"])
def test_a_private_link_is_a_link(url: str) -> None:
    """Of those two questions, the one about public hosts is the narrower."""
    assert is_link(url)
    assert not is_public_url(url)


@pytest.mark.parametrize(
    "text",
    ["", "wiki", "javascript:alert(1)", "https://", "https://a b/", "https://a.de/\0", "https://a.de/\x7f", "//a.de"],
)
def test_what_no_browser_opens_is_neither(text: str) -> None:
    """Another scheme, no host, blanks and control characters."""
    assert not is_link(text)
    assert not is_public_url(text)
