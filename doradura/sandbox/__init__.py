"""A local Telegram: the Bot API, a web chat, sample media. Imported only when requested.

`server.py` wires it. `api/` answers bots, `human/` people; both work on `state/`, and neither knows the other. `text/`,
`http/` and `media/` know nothing of bots. `page/` is the web chat itself, served by `pages.py`. Frozen: it gets what a
change of the bot needs, and nothing more.
"""

from __future__ import annotations

from doradura.sandbox.server import SANDBOX_TOKEN, Sandbox, SandboxBindError

__all__ = ["SANDBOX_TOKEN", "Sandbox", "SandboxBindError"]
