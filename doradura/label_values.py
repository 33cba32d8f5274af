"""The closed set of each metric's label, taken from its owner: metrics/ must not import the owners."""

from __future__ import annotations

from typing import get_args

from doradura.accounts.plans import PAID_PLANS, PLANS
from doradura.alerts.payload import SEVERITIES, Status
from doradura.chat.conversations import COMMANDS
from doradura.chat.router import HANDLED_UPDATES
from doradura.chat.texts import languages
from doradura.downloads.admission import Rejection
from doradura.health import CHECKS
from doradura.media.formats import FORMATS, SentAs
from doradura.media.gatecontrol import GateOutcome
from doradura.media.reasons import OUR_REASONS, Reason
from doradura.media.sites import SITES
from doradura.metrics import LabelValues
from doradura.telegram.errors import OUTAGES, RequestOutcome
from doradura.telegram.observer import TIMED_KINDS, LimitSource

TELEGRAM_METHODS = (
    "getMe",
    "getUpdates",
    "deleteWebhook",
    "setMyCommands",
    "deleteMyCommands",
    "sendMessage",
    "editMessageText",
    "editMessageMedia",
    "deleteMessage",
    "answerCallbackQuery",
    "answerPreCheckoutQuery",
    "sendChatAction",
    "sendAudio",
    "sendVideo",
    "sendDocument",
    "sendPhoto",
)

LABEL_VALUES = LabelValues(
    sites=tuple(SITES),
    formats={word: fmt.qualities for word, fmt in FORMATS.items()},
    commands=tuple(COMMANDS),
    update_types=tuple(HANDLED_UPDATES),
    telegram_methods=TELEGRAM_METHODS,
    checks=CHECKS,
    reasons=tuple(Reason),
    own_reasons=OUR_REASONS,
    kinds=get_args(SentAs),
    plans=PLANS,
    paid_plans=PAID_PLANS,
    languages=languages(),
    rejections=get_args(Rejection),
    gate_outcomes=get_args(GateOutcome),
    request_outcomes=get_args(RequestOutcome),
    outages=OUTAGES,
    request_kinds=TIMED_KINDS,
    limit_sources=get_args(LimitSource),
    severities=SEVERITIES,
    statuses=get_args(Status),
)
