from __future__ import annotations

import errno

import pytest

from doradura.web.server import _bind_sentence


@pytest.mark.parametrize(("port", "said"), [(9090, True), (9091, False), (8080, False)])
def test_the_package_that_takes_our_port_is_named_for_that_port_alone(port: int, *, said: bool) -> None:
    """Debian's prometheus package listens on 9090: of any other port it is no explanation."""
    sentence = _bind_sentence("0.0.0.0", port, OSError(errno.EADDRINUSE, "in use"))
    assert ("Debian's prometheus package" in sentence) is said
    assert f"port {port} is taken" in sentence


def test_another_address_is_one_to_copy() -> None:
    """An IPv6 host stands in brackets, so that its port can be told from it."""
    sentence = _bind_sentence("::1", 9090, OSError(errno.EADDRINUSE, "in use"))
    assert sentence.startswith("can't listen on [::1]:9090:")
    assert sentence.endswith("such as [::1]:9095")
