"""python-telegram-bot's conversation: an Application that polls, urlencoded calls, multipart with a Content-Length."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from telegram import (
    Bot,
    BotCommand,
    BotCommandScopeChat,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    LabeledPrice,
    ReplyKeyboardMarkup,
    ReplyParameters,
    Update,
)
from telegram.constants import ParseMode
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter
from telegram.ext import (
    Application,
    ApplicationBuilder,
    CallbackQueryHandler,
    ChatMemberHandler,
    CommandHandler,
    MessageHandler,
    PreCheckoutQueryHandler,
    filters,
)

from tests.conformance.person import PNG, USER, Person, arguments, eventually, known, refused, same, step

BUTTONS = InlineKeyboardMarkup([[InlineKeyboardButton("Press", callback_data="pressed")]])
PRICE = [LabeledPrice("A month", 7)]
MONTH = 2592000


class Shop:
    """The bot: what it does with updates, and what it saw."""

    def __init__(self, url: str, token: str) -> None:
        builder = ApplicationBuilder().token(token).base_url(f"{url}/bot").base_file_url(f"{url}/file/bot")
        self.application: Application[Any, Any, Any, Any, Any, Any] = builder.job_queue(None).build()
        self.payments: list[Any] = []
        self.edited: list[str | None] = []
        self.members: list[str] = []
        self.photos: list[Any] = []
        add = self.application.add_handler
        add(CommandHandler("start", self.start))
        add(CallbackQueryHandler(self.pressed))
        add(PreCheckoutQueryHandler(self.checkout))
        add(MessageHandler(filters.SUCCESSFUL_PAYMENT, self.paid))
        add(MessageHandler(filters.PHOTO, self.photo))
        add(MessageHandler(filters.UpdateType.EDITED_MESSAGE, self.edit))
        add(ChatMemberHandler(self.member))

    async def start(self, update: Update, _context: object) -> None:
        """Answer a command with a reply and buttons."""
        assert update.message is not None
        await update.message.reply_text(
            r"*Hello* \& _welcome_", parse_mode=ParseMode.MARKDOWN_V2, reply_markup=BUTTONS, do_quote=True
        )

    async def pressed(self, update: Update, _context: object) -> None:
        """Answer the press and change the message."""
        assert update.callback_query is not None
        await update.callback_query.answer("Well done")
        await update.callback_query.edit_message_text("<u>Pressed</u>", parse_mode=ParseMode.HTML)

    async def checkout(self, update: Update, _context: object) -> None:
        """Sell to who asks for the right thing."""
        query = update.pre_checkout_query
        assert query is not None
        good = query.invoice_payload == "plan"
        await query.answer(ok=good, error_message=None if good else "Not for sale")

    async def paid(self, update: Update, _context: object) -> None:
        """Note a payment."""
        assert update.message is not None
        self.payments.append(update.message.successful_payment)

    async def photo(self, update: Update, _context: object) -> None:
        """Note a picture."""
        assert update.message is not None
        self.photos.append(update.message.photo[-1])

    async def edit(self, update: Update, _context: object) -> None:
        """Note what a message was changed to."""
        assert update.edited_message is not None
        self.edited.append(update.edited_message.text)

    async def member(self, update: Update, _context: object) -> None:
        """Note what became of the bot in a chat."""
        assert update.my_chat_member is not None
        self.members.append(update.my_chat_member.new_chat_member.status)


async def talk(bot: Bot, shop: Shop, person: Person) -> None:
    """Commands, replies, buttons, edits."""
    with step("reply with a keyboard"):
        said = await person.say("/start")
        reply = await eventually(person.newest, lambda seen: seen["text"] == "Hello & welcome")
        same(reply["reply_to_message"]["message_id"], said["message_id"])
        same([entity["type"] for entity in reply["entities"]], ["bold", "italic"])
    with step("callback and edit"):
        answer = await person.press(reply["message_id"], "pressed")
        same((answer["text"], answer["show_alert"]), ("Well done", False))
        seen = await eventually(person.newest, lambda seen: seen["text"] == "Pressed")
        same(seen["entities"], [{"type": "underline", "offset": 0, "length": 7}])
    with step("edited message"):
        await person.act(f"chats/{USER}/messages", edit_message_id=said["message_id"], text="changed")
        await eventually(known(shop.edited), lambda found: found == ["changed"])
    with step("reply keyboard and a quiet reply"):
        await bot.send_message(USER, "Well?", reply_markup=ReplyKeyboardMarkup([["Yes", "No"]], resize_keyboard=True))
        same((await person.newest())["reply_markup"]["keyboard"], [[{"text": "Yes"}, {"text": "No"}]])
        lost = ReplyParameters(99999, allow_sending_without_reply=True)
        same((await bot.send_message(USER, "x", reply_parameters=lost)).reply_to_message, None)
    with step("mention by id"):
        sent = await bot.send_message(USER, f'<a href="tg://user?id={USER}">you</a>', parse_mode=ParseMode.HTML)
        assert sent.entities[0].user is not None
        same((sent.entities[0].type, sent.entities[0].user.id), ("text_mention", USER))
    with step("delete, forward, copy, pin"):
        sent = await bot.send_message(USER, "x", reply_markup=BUTTONS)
        copy = await bot.copy_message(USER, USER, sent.message_id)
        forward = await bot.forward_message(USER, USER, sent.message_id)
        assert forward.forward_origin is not None
        same(forward.forward_origin.type, "user")
        same(await bot.pin_chat_message(USER, forward.message_id), True)
        same(await bot.delete_message(USER, copy.message_id), True)
        same(await bot.delete_messages(USER, [sent.message_id]), True)


async def send_files(bot: Bot, shop: Shop, person: Person, folder: Path) -> None:
    """Uploads, file_ids, downloads."""
    clip = await person.sample()
    path = folder / "clip.mp4"
    path.write_bytes(clip)
    with step("uploads of each kind"):
        document = await bot.send_document(USER, b"a,b\n", filename="тест.csv", caption="c")
        assert document.document is not None
        same((document.document.file_name, document.caption), ("тест.csv", "c"))
        video = await bot.send_video(USER, path, thumbnail=PNG, write_timeout=30)
        assert video.video is not None
        same((video.video.width, video.video.duration), (640, 10))
        audio = await bot.send_audio(USER, clip, title="T", performer="P", duration=9, filename="a.m4a")
        assert audio.audio is not None
        same((audio.audio.title, audio.audio.performer), ("T", "P"))
        photo = await bot.send_photo(USER, PNG)
        same(photo.photo[-1].width, 10)
        assert (await bot.send_animation(USER, path)).animation is not None
        assert (await bot.send_voice(USER, path)).voice is not None
        assert (await bot.send_video_note(USER, path)).video_note is not None
    with step("by file_id, and back"):
        again = await bot.send_video(USER, video.video.file_id)
        assert again.video is not None
        same(again.video.file_unique_id, video.video.file_unique_id)
        file = await bot.get_file(video.video.file_id)
        same(bytes(await file.download_as_bytearray()), clip)
    with step("media group"):
        album = await bot.send_media_group(
            USER, [InputMediaDocument(b"1", filename="1.txt"), InputMediaDocument(b"2", filename="2.txt")]
        )
        same(len({message.media_group_id for message in album}), 1)
        same([message.document.file_name for message in album if message.document], ["1.txt", "2.txt"])
    with step("edit caption and media"):
        changed = await bot.edit_message_caption(USER, photo.message_id, caption="new")
        same(getattr(changed, "caption", None), "new")
        changed = await bot.edit_message_media(InputMediaPhoto(PNG, caption="again"), USER, photo.message_id)
        same(getattr(changed, "caption", None), "again")
    with step("a person's file"):
        content = "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAADUlEQVR4nGNgGAUjEwAAAZAAAZh2WOMAAAAASUVORK5CYII="
        await person.act(
            f"chats/{USER}/files", kind="photo", file_name="p.png", mime_type="image/png", content_base64=content
        )
        await eventually(known(shop.photos), len)
        file = await shop.photos[0].get_file()
        same(len(await file.download_as_bytearray()), shop.photos[0].file_size)


async def sell(bot: Bot, shop: Shop, person: Person) -> None:
    """Invoices, payments, a refund, a subscription."""
    with step("invoice and payment"):
        invoice = await bot.send_invoice(USER, "Plan", "A month", "plan", "XTR", PRICE)
        paid = await person.act(f"chats/{USER}/pay", from_id=USER, message_id=invoice.message_id)
        same(paid["paid"], True)
        await eventually(known(shop.payments), len)
        same(shop.payments[0].telegram_payment_charge_id, paid["charge_id"])
        same(shop.payments[0].total_amount, 7)
    with step("a payment that is refused"):
        link = await bot.create_invoice_link("Plan", "A month", "other", "XTR", PRICE)
        paid = await person.act(f"chats/{USER}/pay", from_id=USER, invoice_link=link)
        same(paid, {"paid": False, "error_message": "Not for sale"})
    with step("refund and transactions"):
        charge = shop.payments[0].telegram_payment_charge_id
        same(await bot.refund_star_payment(USER, charge), True)
        await refused(bot.refund_star_payment(USER, charge), BadRequest, "Charge_already_refunded")
        transactions = (await bot.get_star_transactions()).transactions
        same([(each.amount, each.receiver is not None) for each in transactions], [(7, False), (7, True)])
    with step("subscription"):
        link = await bot.create_invoice_link("Plan", "Each month", "plan", "XTR", PRICE, subscription_period=MONTH)
        paid = await person.act(f"chats/{USER}/pay", from_id=USER, invoice_link=link)
        await person.act(f"payments/{paid['charge_id']}/renew")
        await eventually(known(shop.payments), lambda found: len(found) == 3)
        same([each.is_first_recurring for each in shop.payments[1:]], [True, None])
        same(await bot.edit_user_star_subscription(USER, paid["charge_id"], is_canceled=True), True)


async def look_around(bot: Bot, shop: Shop, person: Person) -> None:
    """Commands, chats and members, groups."""
    with step("commands by scope"):
        scope = BotCommandScopeChat(USER)
        await bot.set_my_commands([BotCommand("more", "More")], scope=scope)
        same([each.command for each in await bot.get_my_commands(scope=scope)], ["more"])
        same(await bot.delete_my_commands(scope=scope), True)
    with step("chats and members"):
        same((await bot.get_chat(USER)).first_name, "User")
        chat = await person.act("chats", title="Friends", type="group", member_ids=[USER])
        await eventually(known(shop.members), len)
        same((await bot.get_chat_member(chat["id"], USER)).status, "creator")
        same(len(await bot.get_chat_administrators(chat["id"])), 1)
    with step("a group that became a supergroup"):
        upgraded = await person.act(f"chats/{chat['id']}/upgrade")
        error = await refused(bot.send_message(chat["id"], "x"), ChatMigrated, "")
        assert isinstance(error, ChatMigrated)
        same(error.new_chat_id, upgraded["id"])


async def fail(bot: Bot, person: Person, url: str) -> None:
    """Every refusal, as this client's own exception."""
    with step("refusals"):
        same_text = await bot.send_message(USER, "same")
        for call, text in (
            (bot.send_message(USER, "a.b", parse_mode=ParseMode.MARKDOWN_V2), "Character '.' is reserved"),
            (bot.send_message(USER, "_a", parse_mode=ParseMode.MARKDOWN), "Can't find end of the entity"),
            (bot.send_message(USER, "<x>", parse_mode=ParseMode.HTML), 'Unsupported start tag "x" at byte offset 0'),
            (bot.send_message(77, "x"), "Chat not found"),
            (bot.send_message(USER, "x" * 4097), "Message is too long"),
            (bot.send_photo(USER, "nonsense"), "Wrong remote file identifier specified"),
            (bot.edit_message_text("x", USER, 99999), "Message to edit not found"),
            (bot.edit_message_text("same", USER, same_text.message_id), "Message is not modified"),
            (bot.set_webhook("https://x.org/hook"), "Failed to resolve host"),
            (bot.answer_callback_query("1"), "Query is too old"),
            (bot.get_file("x" * 8), "Invalid file_id"),
        ):
            await refused(call, BadRequest, text)
    with step("faults"):
        await person.fault(method="sendMessage", retry_after=3)
        error = await refused(bot.send_message(USER, "x"), RetryAfter, "")
        assert isinstance(error, RetryAfter)
        await person.fault(method="sendMessage", error_code=500, description="Internal Server Error: restart")
        await refused(bot.send_message(USER, "x"), NetworkError, "Internal Server Error: restart")
        await person.fault(method="sendVideo", error_code=413, description="Request Entity Too Large")
        await refused(bot.send_video(USER, b"x"), NetworkError, "Request Entity Too Large")
        await person.fault(method="sendMessage", drop="after")
        await refused(bot.send_message(USER, "came"), NetworkError, "")
        same((await person.newest())["text"], "came")
    with step("two polls"):
        # A client has one connection for polls, so the other poll is another client's; whichever came first is told.
        async with Bot(bot.token, base_url=f"{url}/bot") as other:
            polls = [asyncio.create_task(each.get_updates(timeout=20)) for each in (bot, other)]
            ended, going = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
            await refused(ended.pop(), Conflict, "terminated by other getUpdates request")
            going.pop().cancel()
    with step("a wrong token"):
        await refused(Bot("123:short", base_url=f"{url}/bot").get_me(), InvalidToken, "")
    with step("blocked"):
        await person.act(f"chats/{USER}/block", from_id=USER, blocked=True)
        await refused(bot.send_message(USER, "x"), Forbidden, "Forbidden: bot was blocked by the user")


async def main() -> None:
    """Hold the conversation."""
    url, token, folder = arguments()
    shop = Shop(url, token)
    bot = shop.application.bot
    async with Person(url, token) as person, shop.application:
        with step("getMe"):
            same(bot.username, f"sandbox{token.partition(':')[0]}_bot")
        await shop.application.start()
        assert shop.application.updater is not None
        await shop.application.updater.start_polling(timeout=10, allowed_updates=Update.ALL_TYPES)
        await talk(bot, shop, person)
        await send_files(bot, shop, person, folder)
        await sell(bot, shop, person)
        await look_around(bot, shop, person)
        await shop.application.updater.stop()
        await shop.application.stop()
        await fail(bot, person, url)


if __name__ == "__main__":
    asyncio.run(main())
