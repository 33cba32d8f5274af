"""The program's HTTP side: /metrics, /health and the page at /.

Is handed callables and settings, and knows nothing of what they are made of.
"""

from doradura.web.access import AccessRules
from doradura.web.server import BindError, WebServer

__all__ = ["AccessRules", "BindError", "WebServer"]
