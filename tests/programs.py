"""Programs that a test needs and a machine may lack."""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest

INSTALL = {
    "prometheus": "apt-get install -y --no-install-recommends prometheus",
    "promtool": "apt-get install -y --no-install-recommends prometheus",
    "prometheus-alertmanager": "apt-get install -y --no-install-recommends prometheus-alertmanager",
    "amtool": "apt-get install -y --no-install-recommends prometheus-alertmanager",
    "chromium": "apt-get install -y --no-install-recommends chromium",
    "curl": "apt-get install -y --no-install-recommends curl",
    "ip": "apt-get install -y --no-install-recommends iproute2",
    "unshare": "apt-get install -y --no-install-recommends util-linux",
    "initdb": "apt-get install -y --no-install-recommends postgresql",
    "just": "pip install rust-just",
    "openssl": "apt-get install -y --no-install-recommends openssl",
    "systemd-analyze": "apt-get install -y --no-install-recommends systemd",
}


def found(program: str, *other_names: str) -> str:
    """Return where a program is; if it is missing, skip the test with the install line, or fail in CI.

    `other_names` are its names outside of Debian.
    """
    path = next(filter(None, map(shutil.which, (program, *other_names))), None)
    if path is None:
        reason = f"{program} is missing: {INSTALL[program]}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def needs_curl_cffi() -> None:
    """Skip the test where curl_cffi is missing, or fail in CI."""
    if importlib.util.find_spec("curl_cffi") is None:
        reason = "curl_cffi is missing: pip install --require-hashes -r requirements-dev.lock"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
