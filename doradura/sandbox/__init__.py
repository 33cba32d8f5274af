"""A local Telegram: the Bot API, a web chat, sample media. Imported only when asked for."""

from __future__ import annotations

from doradura.sandbox.server import SANDBOX_TOKEN, BindError, Sandbox

__all__ = ["SANDBOX_TOKEN", "BindError", "Sandbox"]
