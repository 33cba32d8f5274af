from __future__ import annotations

import pytest

from doradura.web.http1 import origin_form


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", b"/"),
        (b"/metrics?a=b", b"/metrics?a=b"),
        (b"//metrics", b"//metrics"),
        (b"*", b"*"),
        (b"http://other.example/metrics", b"/metrics"),
        (b"HTTPS://user@[::1]:9090/health?x", b"/health?x"),
        (b"http://other.example", b"/"),
        (b"http://other.example?x=1", b"/?x=1"),
        (b"http://[x/metrics", b"/metrics"),
    ],
)
def test_a_target_is_read_as_its_path(target: bytes, path: bytes) -> None:
    """A path stands for itself, a URL for its path, whatever host it names."""
    assert origin_form(target) == path


@pytest.mark.parametrize("target", [b"", b"?", b"#", b"metrics", b"%2fmetrics", b"http:/metrics", b"http://", b"x:80"])
def test_what_is_no_target_is_none(target: bytes) -> None:
    """What is neither a path nor a URL of HTTP has no path."""
    assert origin_form(target) is None
