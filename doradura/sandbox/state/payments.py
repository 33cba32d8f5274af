"""One bot's money: invoices, pre-checkout queries, charges, subscriptions, refunds, in Telegram Stars.

Owns them in memory and notes every change in the journal in the same step, together with the message about it: after a
kill a charge exists completely or not at all. It does no I/O; whoever pays waits for `Checkout.answered`. Source:
https://core.telegram.org/bots/payments-stars and observations of Telegram.
"""

from __future__ import annotations

import secrets
from typing import Protocol

import msgspec
import trio

from doradura.sandbox.state.records import Charge, Invoice, Message, Object, Subscription
from doradura.sandbox.state.refusal import bad_request
from doradura.sandbox.state.world import World

CHECKOUT_SECONDS = 10.0
"""How long a bot may take to answer a pre-checkout query."""
SUBSCRIPTION_SECONDS = 2_592_000
LINK = "https://t.me/$"


class Checkout:
    """An open pre-checkout query."""

    def __init__(self, invoice: Invoice, user: Object, chat_id: int, created: float) -> None:
        self.invoice = invoice
        self.user = user
        self.chat_id = chat_id
        self.created = created
        self.answered = trio.Event()
        self.charge_id: str | None = None
        self.error: str | None = None


class Seller(Protocol):
    """What payments need of their bot: the world, its chats, its updates."""

    @property
    def world(self) -> World:
        """What all bots share."""

    def key(self, name: object) -> str:
        """Return the journal's key for a record of this bot."""

    def start(self, user_id: int) -> None:
        """Let the bot write to a user from now on."""

    def moved(self, chat_id: int) -> int:
        """Return a chat's present id."""

    def add_message(
        self, chat_id: int, content: Object, *, sender: Object | None = None, fixed: bool = False
    ) -> Message:
        """Put a message into a chat."""

    def shown(self, message: Message) -> Object:
        """Return the Message object as the bot gets it."""

    def queue(self, kind: str, payload: Object) -> None:
        """Queue an update for the bot."""


class Payments:
    """What one bot sells and has earned."""

    def __init__(self, bot: Seller) -> None:
        self._bot = bot
        self.invoices: dict[str, Invoice] = {}
        self.charges: dict[str, Charge] = {}
        """By charge id, in no order: each has its number."""
        self.subscriptions: dict[str, Subscription] = {}
        """By the id of their first charge."""
        self._checkouts: dict[str, Checkout] = {}
        self._transactions = 0
        """How many charges and refunds there are; each has its number, which is its position in `transactions`."""

    def restore(self, kind: str, value: bytes) -> None:
        """Restore a kept record."""
        if kind == "invoice":
            invoice = msgspec.json.decode(value, type=Invoice)
            self.invoices[invoice.invoice_id] = invoice
        elif kind == "charge":
            charge = msgspec.json.decode(value, type=Charge)
            self.charges[charge.charge_id] = charge
            self._transactions = max(self._transactions, charge.number, charge.refund_number)
        else:
            subscription = msgspec.json.decode(value, type=Subscription)
            self.subscriptions[subscription.first_charge_id] = subscription

    def _keep(self, record: Invoice | Charge | Subscription) -> None:
        match record:
            case Invoice():
                self.invoices[record.invoice_id] = record
                kind, name = "invoice", record.invoice_id
            case Charge():
                self.charges[record.charge_id] = record
                kind, name = "charge", record.charge_id
            case Subscription():
                self.subscriptions[record.first_charge_id] = record
                kind, name = "subscription", record.first_charge_id
        self._bot.world.journal.put(kind, self._bot.key(name), msgspec.json.encode(record))

    def add_invoice(self, invoice: Invoice) -> Invoice:
        """Store an invoice, so that it can be paid."""
        self._keep(invoice)
        return invoice

    def by_link(self, link: str) -> Invoice | None:
        """Return the invoice behind a link of `createInvoiceLink`; None for any other link."""
        return self.invoices.get(link.removeprefix(LINK)) if link.startswith(LINK) else None

    def check_out(self, invoice: Invoice, user: Object, chat_id: int) -> Checkout:
        """Record that a person confirms a payment, and ask the bot."""
        now = self._bot.world.clock()
        self._checkouts = {
            known: open_ for known, open_ in self._checkouts.items() if now <= open_.created + CHECKOUT_SECONDS
        }
        checkout = Checkout(invoice, user, chat_id, now)
        query_id = str(10**17 + secrets.randbelow(9 * 10**17))
        self._checkouts[query_id] = checkout
        query = {
            "id": query_id,
            "from": user,
            "currency": "XTR",
            "total_amount": invoice.amount,
            "invoice_payload": invoice.payload,
        }
        self._bot.queue("pre_checkout_query", query)
        return checkout

    def give_up(self, checkout: Checkout) -> None:
        """Record that the person no longer waits: any later answer of the bot is too late."""
        self._checkouts = {known: open_ for known, open_ in self._checkouts.items() if open_ is not checkout}

    def answer_checkout(self, query_id: str, *, error: str | None) -> None:
        """Handle the bot's answer; without `error` the charge is made at once. Raises RefusalError."""
        checkout = self._checkouts.get(query_id)
        if checkout is None or self._bot.world.clock() > checkout.created + CHECKOUT_SECONDS:
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        del self._checkouts[query_id]
        if error is None:
            charge = self._charge(checkout.invoice, checkout.user, checkout.chat_id)
            checkout.charge_id = charge.charge_id
        else:
            checkout.error = error
        checkout.answered.set()

    def _charge(self, invoice: Invoice, user: Object, chat_id: int, first_charge_id: str = "") -> Charge:
        """Make a charge and tell the bot. `first_charge_id` names the renewed subscription.

        Whoever pays has started the bot: Telegram writes into their chat.
        """
        world, now = self._bot.world, self._bot.world.now()
        charge_id = "stx" + secrets.token_hex(32)
        recurring = invoice.subscription_period > 0
        chat_id = self._bot.moved(chat_id)
        self._transactions += 1
        charge = Charge(
            charge_id=charge_id,
            number=self._transactions,
            user_id=user["id"],
            chat_id=chat_id,
            invoice=invoice,
            date=now,
            first_charge_id=(first_charge_id or charge_id) if recurring else "",
        )
        payment: Object = {
            "currency": "XTR",
            "total_amount": invoice.amount,
            "invoice_payload": invoice.payload,
            "telegram_payment_charge_id": charge_id,
            "provider_payment_charge_id": f"{user['id']}_{charge.number}",
        }
        if recurring:
            subscription = self.subscriptions.get(charge.first_charge_id)
            began = now if subscription is None else max(now, subscription.expires)
            subscription = subscription or Subscription(charge_id, user["id"], chat_id, invoice)
            subscription.expires = began + SUBSCRIPTION_SECONDS
            self._keep(subscription)
            payment |= {"subscription_expiration_date": subscription.expires, "is_recurring": True}
            if not first_charge_id:
                payment["is_first_recurring"] = True
        world.spend(user["id"], invoice.amount)
        self._keep(charge)
        if chat_id > 0:
            self._bot.start(chat_id)
        self._bot.add_message(chat_id, {"successful_payment": payment}, sender=user)
        return charge

    def subscription_of(self, charge_id: str) -> Subscription | None:
        """Return the subscription that a charge belongs to; None if it belongs to none."""
        charge = self.charges.get(charge_id)
        return self.subscriptions.get(charge.first_charge_id) if charge is not None else None

    def renew(self, subscription: Subscription) -> Charge:
        """Charge the next period, as Telegram does by itself."""
        user = self._bot.world.person(subscription.user_id)
        return self._charge(subscription.invoice, user, subscription.chat_id, subscription.first_charge_id)

    def set_canceled(self, subscription: Subscription, *, canceled: bool) -> None:
        """Cancel or resume a subscription's renewal, and tell the bot if that changes anything."""
        if subscription.canceled == canceled:
            return
        subscription.canceled = canceled
        self._keep(subscription)
        state = {
            "user": self._bot.world.person(subscription.user_id),
            "invoice_payload": subscription.invoice.payload,
            "state": "canceled" if canceled else "active",
        }
        self._bot.queue("subscription", state)

    def refund(self, charge: Charge) -> None:
        """Refund the Stars, with a message in the chat."""
        self._transactions += 1
        charge.refunded = self._bot.world.now()
        charge.refund_number = self._transactions
        self._keep(charge)
        self._bot.world.spend(charge.user_id, -charge.invoice.amount)
        refunded = {
            "currency": "XTR",
            "total_amount": charge.invoice.amount,
            "invoice_payload": charge.invoice.payload,
            "telegram_payment_charge_id": charge.charge_id,
        }
        chat_id = self._bot.moved(charge.chat_id)
        message = self._bot.add_message(chat_id, {"refunded_payment": refunded}, fixed=True)
        # The only message of its own a bot hears of.
        self._bot.queue("message", self._bot.shown(message))

    @property
    def balance(self) -> int:
        """The Stars the bot has."""
        return sum(charge.invoice.amount for charge in self.charges.values() if not charge.refunded)

    def transactions(self) -> list[Object]:
        """Return the StarTransactions in the order they happened."""
        found: list[tuple[int, Object]] = []
        for charge in self.charges.values():
            partner: Object = {
                "type": "user",
                "transaction_type": "invoice_payment",
                "user": self._bot.world.person(charge.user_id),
                "invoice_payload": charge.invoice.payload,
            }
            if charge.invoice.subscription_period:
                partner["subscription_period"] = charge.invoice.subscription_period
            told: Object = {"id": charge.charge_id, "amount": charge.invoice.amount}
            found.append((charge.number, {**told, "date": charge.date, "source": partner}))
            if charge.refunded:
                found.append((charge.refund_number, {**told, "date": charge.refunded, "receiver": partner}))
        return [each for _, each in sorted(found, key=lambda item: item[0])]
