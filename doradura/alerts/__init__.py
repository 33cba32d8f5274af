"""Brings alerts to the admins: Alertmanager's POST -> stored notices -> outbox -> messages in the admins' chats.

What was accepted arrives: a notice is stored before its POST is confirmed, and its message is sent again until Telegram
answers. The package contains no texts; the chat renders them through the interface in `rendering`.
"""

from doradura.alerts.alertmanager import Alertmanager, FoundSilence
from doradura.alerts.delivery import AlertDelivery
from doradura.alerts.expressions import Measured, expression_of, measured
from doradura.alerts.fetching import MonitoringError, open_client
from doradura.alerts.intake import Intake, Reply
from doradura.alerts.monitoring import open_monitoring
from doradura.alerts.notes import Note, add_note
from doradura.alerts.prometheus import Prometheus, PromSpan, Series
from doradura.alerts.reconciling import Periods, Reconciler
from doradura.alerts.rendering import AlertRenderer
from doradura.alerts.silencing import ActResult, Silencing

__all__ = [
    "ActResult",
    "AlertDelivery",
    "AlertRenderer",
    "Alertmanager",
    "FoundSilence",
    "Intake",
    "Measured",
    "MonitoringError",
    "Note",
    "Periods",
    "PromSpan",
    "Prometheus",
    "Reconciler",
    "Reply",
    "Series",
    "Silencing",
    "add_note",
    "expression_of",
    "measured",
    "open_client",
    "open_monitoring",
]
