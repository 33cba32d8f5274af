"""The alerts' way to the admins: Alertmanager's POST -> stored notices -> outbox -> messages in the admins' chats.

Guarantees that what was accepted arrives: it is stored before it is confirmed, and told again until Telegram answers.
Knows no words: those come from a presenter it is handed.
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
from doradura.alerts.silencing import Outcome, Silencing
from doradura.alerts.words import AlertWords

__all__ = [
    "AlertDelivery",
    "AlertWords",
    "Alertmanager",
    "FoundSilence",
    "Intake",
    "Measured",
    "MonitoringError",
    "Note",
    "Outcome",
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
