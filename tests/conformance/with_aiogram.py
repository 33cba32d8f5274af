"""aiogram's conversation: long polls with a Dispatcher, urlencoded calls, chunked multipart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    RestartingTelegram,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNotFound,
    TelegramRetryAfter,
)
from aiogram.filters import Command
from aiogram.types import (
    BotCommand,
    BotCommandScopeChat,
    BufferedInputFile,
    CallbackQuery,
    FSInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    InputMediaVideo,
    KeyboardButton,
    LabeledPrice,
    Message,
    PreCheckoutQuery,
    ReplyKeyboardMarkup,
)

from tests.conformance.person import PNG, USER, Person, arguments, eventually, known, refused, same, step

BUTTONS = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Press", callback_data="pressed")]])
PRICE = [LabeledPrice(label="A month", amount=5)]


class Shop:
    """The bot: what it does with updates, and what it saw."""

    def __init__(self) -> None:
        self.dispatcher = Dispatcher()
        self.payments: list[Any] = []
        self.refunds: list[Any] = []
        self.edited: list[str | None] = []
        self.members: list[str] = []
        self.files: list[Message] = []
        self.dispatcher.message.register(self.start, Command("start"))
        self.dispatcher.message.register(self.paid, F.successful_payment)
        self.dispatcher.message.register(self.refunded, F.refunded_payment)
        self.dispatcher.message.register(self.file, F.document)
        self.dispatcher.edited_message.register(self.edit)
        self.dispatcher.callback_query.register(self.pressed)
        self.dispatcher.pre_checkout_query.register(self.checkout)
        self.dispatcher.my_chat_member.register(self.member)

    async def start(self, message: Message) -> None:
        """Answer a command with a reply and buttons."""
        await message.reply("<b>Hello</b> & welcome", reply_markup=BUTTONS, parse_mode="HTML")

    async def pressed(self, query: CallbackQuery) -> None:
        """Change the message and answer the press."""
        assert isinstance(query.message, Message)
        await query.message.edit_text("Pressed")
        await query.answer("Well done", show_alert=True)

    async def checkout(self, query: PreCheckoutQuery) -> None:
        """Sell to who asks for the right thing."""
        good = query.invoice_payload == "plan"
        await query.answer(ok=good, error_message=None if good else "Not for sale")

    async def paid(self, message: Message) -> None:
        """Note a payment."""
        self.payments.append(message.successful_payment)

    async def refunded(self, message: Message) -> None:
        """Note a refund."""
        self.refunds.append(message.refunded_payment)

    async def file(self, message: Message) -> None:
        """Note a file."""
        self.files.append(message)

    async def edit(self, message: Message) -> None:
        """Note what a message was changed to."""
        self.edited.append(message.text)

    async def member(self, change: Any) -> None:
        """Note what became of the bot in a chat."""
        self.members.append(change.new_chat_member.status)


async def talk(bot: Bot, shop: Shop, person: Person) -> None:
    """Commands, replies, buttons, edits."""
    with step("reply with a keyboard"):
        said = await person.say("/start")
        reply = await eventually(person.newest, lambda seen: seen["text"] == "Hello & welcome")
        same(reply["reply_to_message"]["message_id"], said["message_id"])
        same(reply["entities"], [{"type": "bold", "offset": 0, "length": 5}])
    with step("callback and edit"):
        answer = await person.press(reply["message_id"], "pressed")
        same((answer["text"], answer["show_alert"]), ("Well done", True))
        seen = await person.newest()
        same((seen["text"], "reply_markup" in seen), ("Pressed", False))
    with step("edited message"):
        await person.act(f"chats/{USER}/messages", edit_message_id=said["message_id"], text="changed")
        await eventually(known(shop.edited), lambda found: found == ["changed"])
    with step("MarkdownV2"):
        sent = await bot.send_message(USER, "*bold* _it_ ||sp|| `c` [l](http://x.org)\\.", parse_mode="MarkdownV2")
        same(sent.text, "bold it sp c l.")
        kinds = [entity.type for entity in sent.entities or []]
        same(kinds, ["bold", "italic", "spoiler", "code", "text_link"])
    with step("reply keyboard"):
        keyboard = ReplyKeyboardMarkup(keyboard=[[KeyboardButton(text="Yes")]], resize_keyboard=True)
        await bot.send_message(USER, "Well?", reply_markup=keyboard)
        same((await person.newest())["reply_markup"]["keyboard"], [[{"text": "Yes"}]])
    with step("edit markup, delete, forward, copy"):
        sent = await bot.send_message(USER, "x", reply_markup=BUTTONS)
        edited = await bot.edit_message_reply_markup(chat_id=USER, message_id=sent.message_id)
        assert isinstance(edited, Message)
        same(edited.reply_markup, None)
        forward = await bot.forward_message(USER, USER, sent.message_id)
        assert forward.forward_origin is not None
        same(forward.forward_origin.type, "user")
        copy = await bot.copy_message(USER, USER, sent.message_id)
        same(await bot.delete_messages(USER, [sent.message_id, copy.message_id]), True)


async def send_files(bot: Bot, shop: Shop, person: Person, folder: Path) -> None:
    """Every kind of file, by upload and by file_id, and back."""
    clip = await person.sample()
    path = folder / "clip.mp4"
    path.write_bytes(clip)
    with step("uploads of each kind"):
        document = await bot.send_document(
            USER, BufferedInputFile(b"a,b\n", "тест.csv"), caption="<i>c</i>", parse_mode="HTML"
        )
        assert document.document is not None
        same((document.document.file_name, document.document.file_size), ("тест.csv", 4))
        same([entity.type for entity in document.caption_entities or []], ["italic"])
        photo = await bot.send_photo(USER, BufferedInputFile(PNG, "p.png"), reply_markup=BUTTONS)
        assert photo.photo is not None
        video = await bot.send_video(USER, FSInputFile(path), supports_streaming=True)
        assert video.video is not None
        same((video.video.width, video.video.height, video.video.duration), (640, 360, 10))
        audio = await bot.send_audio(USER, BufferedInputFile(clip, "a.m4a"), title="T", performer="P", duration=9)
        assert audio.audio is not None
        same((audio.audio.title, audio.audio.duration), ("T", 9))
        for sent in (
            await bot.send_animation(USER, FSInputFile(path)),
            await bot.send_voice(USER, FSInputFile(path)),
            await bot.send_video_note(USER, FSInputFile(path)),
        ):
            assert sent.animation or sent.voice or sent.video_note
    with step("by file_id, and back"):
        again = await bot.send_video(USER, video.video.file_id)
        assert again.video is not None
        same(again.video.file_unique_id, video.video.file_unique_id)
        loaded = await bot.download(video.video.file_id)
        assert loaded is not None
        same(loaded.read(), clip)
    with step("media group"):
        album = await bot.send_media_group(
            USER,
            [
                InputMediaPhoto(media=BufferedInputFile(PNG, "p.png"), caption="one"),
                InputMediaVideo(media=FSInputFile(path)),
                InputMediaPhoto(media=photo.photo[-1].file_id),
            ],
        )
        same(len({message.media_group_id for message in album}), 1)
        same([message.caption for message in album], ["one", None, None])
    with step("edit caption and media"):
        changed = await bot.edit_message_caption(chat_id=USER, message_id=photo.message_id, caption="new")
        assert isinstance(changed, Message)
        same(changed.caption, "new")
        put = InputMediaVideo(media=FSInputFile(path), caption="now a video")
        changed = await bot.edit_message_media(put, chat_id=USER, message_id=photo.message_id)
        assert isinstance(changed, Message)
        same((changed.photo, changed.caption), (None, "now a video"))
    with step("a person's file"):
        await person.act(
            f"chats/{USER}/files", kind="document", file_name="n.txt", mime_type="text/plain", content_base64="aGk="
        )
        await eventually(known(shop.files), len)
        sent_document = shop.files[0].document
        assert sent_document is not None
        loaded = await bot.download(sent_document)
        assert loaded is not None
        same(loaded.read(), b"hi")


async def sell(bot: Bot, shop: Shop, person: Person) -> None:
    """Invoices, payments, a refund, a subscription."""
    with step("invoice and payment"):
        invoice = await bot.send_invoice(USER, "Plan", "A month", "plan", "XTR", PRICE)
        assert invoice.invoice is not None
        same(invoice.invoice.total_amount, 5)
        paid = await person.act(f"chats/{USER}/pay", from_id=USER, message_id=invoice.message_id)
        same(paid["paid"], True)
        await eventually(known(shop.payments), len)
        same(shop.payments[0].telegram_payment_charge_id, paid["charge_id"])
    with step("a payment that is refused"):
        other = await bot.send_invoice(USER, "Plan", "A month", "other", "XTR", PRICE)
        paid = await person.act(f"chats/{USER}/pay", from_id=USER, message_id=other.message_id)
        same(paid, {"paid": False, "error_message": "Not for sale"})
    with step("refund and transactions"):
        charge = shop.payments[0].telegram_payment_charge_id
        same(await bot.refund_star_payment(USER, charge), True)
        await refused(bot.refund_star_payment(USER, charge), TelegramBadRequest, "CHARGE_ALREADY_REFUNDED")
        transactions = (await bot.get_star_transactions()).transactions
        same([each.amount for each in transactions], [5, 5])
        same((await bot.get_my_star_balance()).amount, 0)
        await eventually(known(shop.refunds), len)
    with step("subscription"):
        link = await bot.create_invoice_link("Plan", "Each month", "plan", "XTR", PRICE, subscription_period=2592000)
        paid = await person.act(f"chats/{USER}/pay", from_id=USER, invoice_link=link)
        await person.act(f"payments/{paid['charge_id']}/renew")
        await eventually(known(shop.payments), lambda found: len(found) == 3)
        same([each.is_first_recurring for each in shop.payments[1:]], [True, None])
        same(await bot.edit_user_star_subscription(USER, paid["charge_id"], is_canceled=True), True)


async def look_around(bot: Bot, shop: Shop, person: Person) -> None:
    """Commands, chats and members, groups."""
    with step("commands by scope"):
        await bot.set_my_commands([BotCommand(command="start", description="Begin")])
        scope = BotCommandScopeChat(chat_id=USER)
        await bot.set_my_commands([BotCommand(command="more", description="More")], scope=scope)
        same([each.command for each in await bot.get_my_commands()], ["start"])
        same([each.command for each in await bot.get_my_commands(scope=scope)], ["more"])
        same(await bot.delete_my_commands(scope=scope), True)
    with step("chats and members"):
        same((await bot.get_chat(USER)).first_name, "User")
        chat = await person.act("chats", title="Friends", type="group", member_ids=[USER])
        await eventually(known(shop.members), len)
        same((await bot.get_chat_member(chat["id"], USER)).status, "creator")
        same(await bot.get_chat_member_count(chat["id"]), 2)
    with step("a group that became a supergroup"):
        upgraded = await person.act(f"chats/{chat['id']}/upgrade")
        error = await refused(_send(bot, chat["id"]), TelegramMigrateToChat, "")
        assert isinstance(error, TelegramMigrateToChat)
        same(error.migrate_to_chat_id, upgraded["id"])


def _send(bot: Bot, chat: int, text: str = "x", **more: Any) -> Any:
    return bot.send_message(chat, text, **more)


async def fail(bot: Bot, person: Person, url: str, token: str) -> None:
    """Every refusal, as this client's own exception."""
    with step("refusals"):
        for call, text in (
            (_send(bot, USER, "a.b", parse_mode="MarkdownV2"), "can't parse entities: Character '.' is reserved"),
            (_send(bot, USER, "<b>x", parse_mode="HTML"), 'Can\'t find end tag corresponding to start tag "b"'),
            (_send(bot, 77), "chat not found"),
            (_send(bot, USER, "x" * 4097), "message is too long"),
            (bot.send_photo(USER, "nonsense"), "wrong remote file identifier specified"),
            (bot.edit_message_text("x", chat_id=USER, message_id=99999), "message to edit not found"),
            (bot.set_webhook("http://x.org"), "An HTTPS URL must be provided for webhook"),
            (bot.answer_callback_query("1"), "query is too old"),
            (bot.send_invoice(USER, "P", "D", "p", "XTS", PRICE), "PAYMENT_PROVIDER_INVALID"),
        ):
            await refused(call, TelegramBadRequest, text)
        sent = await bot.send_message(USER, "same")
        await refused(
            bot.edit_message_text("same", chat_id=USER, message_id=sent.message_id),
            TelegramBadRequest,
            "message is not modified",
        )
    with step("faults"):
        await person.fault(method="sendMessage", retry_after=3)
        error = await refused(_send(bot, USER), TelegramRetryAfter, "")
        assert isinstance(error, TelegramRetryAfter)
        same(error.retry_after, 3)
        await person.fault(method="sendMessage", error_code=500, description="Internal Server Error: restart")
        await refused(_send(bot, USER), RestartingTelegram, "")
        await person.fault(method="sendVideo", error_code=413, description="Request Entity Too Large")
        await refused(bot.send_video(USER, BufferedInputFile(b"x", "x.mp4")), TelegramEntityTooLarge, "")
        await refused(bot.get_user_chat_boosts(USER, USER), TelegramNotFound, "")
    with step("flood limits"):
        await person.act("flood-limits", enabled=True, chat_burst=1)
        await bot.send_message(USER, "one")
        await refused(_send(bot, USER, "two"), TelegramRetryAfter, "")
        await person.act("flood-limits", enabled=False)
    with step("two polls"):
        other = make_bot(url, token)
        polls = [asyncio.create_task(each.get_updates(timeout=20, offset=-1)) for each in (other, other)]
        results = await asyncio.gather(*polls[:1], return_exceptions=True)
        assert isinstance(results[0], TelegramConflictError), results
        polls[1].cancel()
        await asyncio.gather(polls[1], return_exceptions=True)
        await other.session.close()
    with step("blocked"):
        await person.act(f"chats/{USER}/block", from_id=USER, blocked=True)
        await refused(_send(bot, USER), TelegramForbiddenError, "bot was blocked by the user")


def make_bot(url: str, token: str) -> Bot:
    """Return a client of the sandbox's."""
    return Bot(token, session=AiohttpSession(api=TelegramAPIServer.from_base(url)))


async def main() -> None:
    """Hold the conversation."""
    url, token, folder = arguments()
    bot, shop = make_bot(url, token), Shop()
    async with Person(url, token) as person:
        with step("getMe"):
            same((await bot.get_me()).is_bot, True)
        polling = asyncio.create_task(shop.dispatcher.start_polling(bot, handle_signals=False, polling_timeout=10))
        await talk(bot, shop, person)
        await send_files(bot, shop, person, folder)
        await sell(bot, shop, person)
        await look_around(bot, shop, person)
        await shop.dispatcher.stop_polling()
        await polling
        bot = make_bot(url, token)
        await fail(bot, person, url, token)
        await bot.session.close()


if __name__ == "__main__":
    asyncio.run(main())
