"""What the Bot API asks of a call's parameters together, beyond each one's type and limits."""

from __future__ import annotations

import re
from typing import Any

COMMANDS = 100
SUBSCRIPTION_STARS = 10_000
_WORDS = re.compile(r"[A-Za-z0-9_-]{0,64}")
_INVOICES = frozenset({"sendInvoice", "createInvoiceLink"})


def check_rules(name: str, given: dict[str, Any]) -> list[str]:
    """Judge parameters that depend on each other, as read from the wire."""
    problems = []
    is_edit = name.startswith("editMessage") or name == "stopMessageLiveLocation"
    if is_edit and "inline_message_id" not in given and not {"chat_id", "message_id"} <= given.keys():
        problems.append(f"{name}: which message?")
    is_answer = name in {"answerPreCheckoutQuery", "answerShippingQuery"}
    if is_answer and given.get("ok") is False and not given.get("error_message"):
        problems.append(f"{name}.error_message: missing with ok false")
    commands = given.get("commands")
    if name == "setMyCommands" and isinstance(commands, list) and len(commands) > COMMANDS:
        problems.append(f"{name}.commands: {len(commands)} items, not 0 to {COMMANDS}")
    start = given.get("start_parameter", "")
    if isinstance(start, str) and not _WORDS.fullmatch(start):
        problems.append(f"{name}.start_parameter: {start!r} is not up to 64 of A-Z, a-z, 0-9, _ and -")
    if name == "sendMediaGroup":
        problems += _check_group(given.get("media"))
    if name in _INVOICES:
        problems += _check_invoice(name, given)
    return problems


def _check_group(media: Any) -> list[str]:
    """Audio and documents stand among their own in a group: https://core.telegram.org/bots/api#sendmediagroup."""
    kinds = {str(item.get("type")) for item in media if isinstance(item, dict)} if isinstance(media, list) else set()
    alone = sorted(kinds & {"audio", "document"}) if len(kinds) > 1 else []
    return [f"sendMediaGroup.media: {kind} beside {sorted(kinds - {kind})}" for kind in alone]


def _check_invoice(name: str, given: dict[str, Any]) -> list[str]:
    prices = given.get("prices")
    prices = prices if isinstance(prices, list) else []
    if given.get("currency") == "XTR":
        return _check_stars(name, given, prices)
    problems = [] if prices else [f"{name}.prices: there must be at least one"]
    if not re.fullmatch(r"[A-Z]{3}", str(given.get("currency"))):
        problems.append(f"{name}.currency: {given.get('currency')!r} is no currency")
    if not given.get("provider_token"):
        problems.append(f"{name}.provider_token: only Stars have none")
    if given.get("subscription_period"):
        problems.append(f"{name}.subscription_period: only with Stars")
    return problems


def _check_stars(name: str, given: dict[str, Any], prices: list[Any]) -> list[str]:
    """Judge an invoice in Telegram Stars: https://core.telegram.org/bots/payments-stars."""
    problems = [] if len(prices) == 1 else [f"{name}.prices: {len(prices)} prices, Stars take one"]
    amount = prices[0].get("amount") if prices and isinstance(prices[0], dict) else None
    if not isinstance(amount, int) or amount < 1:
        problems.append(f"{name}.prices[0].amount: {amount!r} is no number of Stars")
    elif given.get("subscription_period") and amount > SUBSCRIPTION_STARS:
        problems.append(f"{name}.prices[0].amount: {amount} Stars a period, not 1 to {SUBSCRIPTION_STARS}")
    if given.get("provider_token"):
        problems.append(f"{name}.provider_token: not with Stars")
    tips = [key for key in ("max_tip_amount", "suggested_tip_amounts") if given.get(key)]
    return problems + [f"{name}.{key}: no tips with Stars" for key in tips]
