"""The alerts' way to the admins: Alertmanager's POST -> stored notices -> outbox -> messages in the admins' chats.

Guarantees that what was accepted arrives: it is stored before it is confirmed, and told again until Telegram answers.
Knows no words: those come from a presenter it is handed.
"""

from doradura.alerts.delivery import AlertDelivery
from doradura.alerts.intake import Intake, Reply
from doradura.alerts.notes import Note, add_note
from doradura.alerts.words import AlertWords

__all__ = ["AlertDelivery", "AlertWords", "Intake", "Note", "Reply", "add_note"]
