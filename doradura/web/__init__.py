"""The program's HTTP side: /metrics, /health and the page at /.

It is given callables and settings, and does not know what is behind them.
"""

from doradura.web.access import AccessRules
from doradura.web.server import BindError, WebServer

__all__ = ["AccessRules", "BindError", "WebServer"]
