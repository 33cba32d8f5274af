"""One bot of the sandbox: its chats, messages, files, callback queries and commands.

Owns what belongs to one token, in memory, and notes every change in the journal at once. It does no I/O and never
waits, so each method is all or nothing. All bots share the users, who belong to the `World`.
"""

from __future__ import annotations

import secrets
from bisect import bisect_right, insort
from typing import Any

import msgspec

from doradura.sandbox.state.payments import Payments
from doradura.sandbox.state.records import BotRecord, CallbackQuery, Group, Message, Object, StoredFile
from doradura.sandbox.state.refusal import bad_request, forbidden
from doradura.sandbox.state.updates import DEFAULT_KINDS, QUERY_RETENTION_SECONDS, Update, UpdateQueue
from doradura.sandbox.state.world import World

FIRST_USERS = (1000, 2000)
"""They have started every bot."""

OWN_BOT_ID = 1_000_000_001
"""The bot that `run --sandbox` starts has this name; any other is named by its number."""

QUERY_LIMIT = 10_000


class Bot:
    """A token and everything behind it."""

    def __init__(self, world: World, record: BotRecord) -> None:
        self.token = record.token
        self.user_id = int(record.token.partition(":")[0])
        self.user: Object = {
            "id": self.user_id,
            "is_bot": True,
            "first_name": "",
            "username": "doradura_sandbox_bot" if self.user_id == OWN_BOT_ID else f"sandbox{self.user_id}_bot",
        }
        self.record = record
        self.rename()
        self.world = world
        self.updates = UpdateQueue(self._update_changed, record.next_update_id or None)
        self.updates.kinds = record.kinds or DEFAULT_KINDS
        self.started = set(FIRST_USERS)
        """Users to whom the bot may write."""
        self.blocked: set[int] = set()
        self.groups: dict[int, Group] = {}
        self.files: dict[str, StoredFile] = {}
        self.paths: dict[str, StoredFile] = {}
        self.queries: dict[str, CallbackQuery] = {}
        self.payments = Payments(self)
        self._messages: dict[int, bytes] = {}
        """Encoded: a long soak test leaves some hundred thousand of them, and decoding one takes microseconds."""
        self._by_chat: dict[int, list[int]] = {}

    def keep(self) -> None:
        """Store the bot's own record."""
        self.record.next_update_id = self.updates.next_id
        self.record.kinds = self.updates.kinds
        self.world.journal.put("bot", self.token, msgspec.json.encode(self.record))

    def rename(self) -> None:
        """Set the name that the bot gave itself for all languages, or its default one."""
        usual = "Doradura" if self.user_id == OWN_BOT_ID else f"Bot {self.user_id}"
        self.user["first_name"] = self.record.texts.get("name ") or usual

    def key(self, name: object) -> str:
        """Return the journal's key for a record of this bot."""
        return f"{self.token} {name}"

    def restore_message(self, message_id: int, encoded: bytes) -> None:
        """Restore a kept message."""
        self._messages[message_id] = encoded
        insort(self._by_chat.setdefault(msgspec.json.decode(encoded, type=Message).chat_id, []), message_id)

    def _update_changed(self, update_id: int, update: Update | None) -> None:
        if update is None:
            self.world.journal.delete("update", self.key(update_id))
        else:
            self.world.journal.put("update", self.key(update_id), msgspec.json.encode(update))
            self.keep()

    def chat(self, chat_id: int) -> Object | None:
        """Return the Chat object, or None if there is no such chat."""
        if chat_id in self.groups:
            return self.groups[chat_id].chat
        user = self.world.users.get(chat_id)
        if user is None:
            return None
        names: Object = {key: user[key] for key in ("first_name", "last_name", "username") if key in user}
        return {"id": chat_id, **names, "type": "private"}

    def chats(self) -> list[Object]:
        """Return the chats that this bot is in."""
        private = [self.chat(user_id) for user_id in self.world.users if user_id in self.started]
        return [chat for chat in private if chat is not None] + [group.chat for group in self.groups.values()]

    def writable_chat(self, chat_id: int) -> Object:
        """Return a chat that the bot may send to. Raises RefusalError."""
        if chat_id == self.user_id:
            raise forbidden("bots can't send messages to bots")
        chat = self.chat(chat_id)
        if chat is None:
            raise bad_request("chat not found")
        if chat_id in self.groups:
            refusal = self.groups[chat_id].refusal()
            if refusal is not None:
                raise refusal
        elif chat_id not in self.started:
            raise forbidden("bot can't initiate conversation with a user")
        elif chat_id in self.blocked:
            raise forbidden("bot was blocked by the user")
        return chat

    def add_group(self, title: str, kind: str, members: list[int]) -> Object:
        """Make a group with the bot in it, and tell the bot."""
        chat_id = self.world.next_group_id(supergroup=kind == "supergroup")
        chat: Object = {"id": chat_id, "title": title, "type": kind}
        self.groups[chat_id] = Group(chat, members)
        self.keep_group(chat_id)
        self.member_changed(chat, members[0], "left", "member")
        return chat

    def keep_group(self, chat_id: int) -> None:
        """Store a group's record."""
        self.world.journal.put("group", self.key(chat_id), msgspec.json.encode(self.groups[chat_id]))

    def start(self, user_id: int) -> None:
        """Record that a user writes to the bot for the first time."""
        if user_id not in self.started:
            self.started.add(user_id)
            self.world.journal.put("start", self.key(user_id), b"")

    def set_blocked(self, chat_id: int, user_id: int, *, blocked: bool) -> None:
        """Record that a user blocks or unblocks the bot, or that a member removes it from a group or adds it again."""
        chat = self.chat(chat_id)
        assert chat is not None
        if chat_id in self.groups:
            group = self.groups[chat_id]
            if (group.kicked or group.left) == blocked:
                return
            group.kicked, group.left = blocked, False
            group.admins = [each for each in group.admins if each != self.user_id]
            self.keep_group(chat_id)
        else:
            if (chat_id in self.blocked) == blocked:
                return
            if blocked:
                self.blocked.add(chat_id)
                self.world.journal.put("block", self.key(chat_id), b"")
            else:
                self.blocked.remove(chat_id)
                self.world.journal.delete("block", self.key(chat_id))
        self.tell("block", chat_id, {"blocked": blocked})
        self.member_changed(chat, user_id, *(("member", "kicked") if blocked else ("kicked", "member")))

    def leave_group(self, chat_id: int) -> None:
        """Make the bot leave a group by itself."""
        group = self.groups[chat_id]
        group.left = True
        self.keep_group(chat_id)
        self.tell("block", chat_id, {"blocked": True})
        self.member_changed(group.chat, self.user_id, "member", "left")

    def upgrade_group(self, chat_id: int, sender: Object) -> Object:
        """Make a group a supergroup with a new id; calls with the old one get an answer that says so."""
        group = self.groups[chat_id]
        new_id = self.world.next_group_id(supergroup=True)
        chat: Object = {"id": new_id, "title": group.chat["title"], "type": "supergroup"}
        kept = Group(chat, list(group.members), admins=list(group.admins), banned=list(group.banned))
        kept.description = group.description
        self.groups[new_id] = kept
        self.keep_group(new_id)
        self.add_message(chat_id, {"migrate_to_chat_id": new_id}, sender=sender)
        group.migrated_to = new_id
        self.keep_group(chat_id)
        self.add_message(new_id, {"migrate_from_chat_id": chat_id}, sender=sender)
        return chat

    def moved(self, chat_id: int) -> int:
        """Return a chat's present id: a group may have become a supergroup."""
        while (group := self.groups.get(chat_id)) is not None and group.migrated_to:
            chat_id = group.migrated_to
        return chat_id

    def member_changed(self, chat: Object, user_id: int, old: str, new: str) -> None:
        """Queue a my_chat_member update."""
        until = {"kicked": {"until_date": 0}}
        change = {
            "chat": chat,
            "from": self.user if user_id == self.user_id else self.world.users[user_id],
            "date": self.world.now(),
            "old_chat_member": {"user": self.user, "status": old, **until.get(old, {})},
            "new_chat_member": {"user": self.user, "status": new, **until.get(new, {})},
        }
        self.queue("my_chat_member", change)

    def add_message(
        self,
        chat_id: int,
        content: Object,
        *,
        sender: Object | None = None,
        reply_to: int = 0,
        fixed: bool = False,
        keyboard: Object | None = None,
        invoice_id: str = "",
    ) -> Message:
        """Put a message into a chat: the bot's own without `sender`, else a person's, which is queued as an update."""
        body = {
            "message_id": self.record.next_message_id,
            "from": sender or self.user,
            "chat": self.chat(chat_id),
            "date": self.world.now(),
            **content,
        }
        self.record.next_message_id += 1
        self.keep()
        message = Message(
            chat_id,
            body,
            own=sender is None,
            reply_to=reply_to,
            fixed=fixed or keyboard is not None,
            keyboard=keyboard,
            invoice_id=invoice_id,
        )
        self._by_chat.setdefault(chat_id, []).append(message.message_id)
        self._put(message)
        if sender is not None:
            self.queue("message", self.shown(message))
        self.tell("message", chat_id, {"message": self.seen(message)})
        return message

    def change_message(self, message: Message, content: Object) -> None:
        """Replace a message's content, keeping its sender, chat and time."""
        head = {key: message.body[key] for key in ("message_id", "from", "chat", "date")}
        message.body = {**head, "edit_date": self.world.now(), **content}
        self._put(message)
        if not message.own:
            self.queue("edited_message", self.shown(message))
        self.tell("edit", message.chat_id, {"message": self.seen(message)})

    def message(self, chat_id: int, message_id: int) -> Message | None:
        """Return a message of a chat, or None."""
        encoded = self._messages.get(message_id)
        if encoded is None:
            return None
        message = msgspec.json.decode(encoded, type=Message)
        return message if message.chat_id == chat_id else None

    def messages_after(self, chat_id: int, message_id: int) -> list[Message]:
        """Return a chat's messages with a higher number, in order."""
        numbers = self._by_chat.get(chat_id, [])
        wanted = numbers[bisect_right(numbers, message_id) :]
        return [msgspec.json.decode(self._messages[number], type=Message) for number in wanted]

    def delete_message(self, message: Message) -> None:
        """Remove a message for everybody."""
        del self._messages[message.message_id]
        self._by_chat[message.chat_id].remove(message.message_id)
        self.world.journal.delete("message", self.key(message.message_id))
        self.tell("delete", message.chat_id, {"message_id": message.message_id})

    def shown(self, message: Message) -> Object:
        """Return the Message object as the bot gets it, with the message it replies to."""
        body = message.body
        if message.reply_to and (target := self.message(message.chat_id, message.reply_to)) is not None:
            body = {**body, "reply_to_message": target.body}
        return body

    def seen(self, message: Message) -> Object:
        """Return the Message object as a person gets it: with a `file_url` in each file, and any keyboard."""
        seen: Object = self._with_urls(self.shown(message))
        return seen if message.keyboard is None else {**seen, "reply_markup": message.keyboard}

    def _with_urls(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._with_urls(each) for each in value]
        if not isinstance(value, dict):
            return value
        known = {key: self._with_urls(each) for key, each in value.items()}
        if (file := self.files.get(value.get("file_id", ""))) is not None:
            known["file_url"] = f"/sandbox/files/{file.blob}"
        return known

    def _put(self, message: Message) -> None:
        encoded = msgspec.json.encode(message)
        self._messages[message.message_id] = encoded
        self.world.journal.put("message", self.key(message.message_id), encoded)

    def add_file(self, file: StoredFile) -> None:
        """Register a file by its file_id, and keep it."""
        self.restore_file(file)
        self.world.journal.put("file", self.key(file.file_id), msgspec.json.encode(file))

    def restore_file(self, file: StoredFile) -> None:
        """Restore a kept file."""
        self.files[file.file_id] = file
        self.world.file_ids.add(file.file_id)
        self.world.blobs_known[file.blob] = file
        if file.path:
            self.paths[file.path] = file

    def press(self, sender: Object, message: Message, data: str) -> CallbackQuery:
        """Record that a person presses a button of a message."""
        query_id = str(10**17 + secrets.randbelow(9 * 10**17))
        query = CallbackQuery(query_id, self.world.clock(), message.chat_id)
        self.keep_query(query)
        while len(self.queries) > QUERY_LIMIT:
            oldest = next(iter(self.queries))
            del self.queries[oldest]
            self.world.journal.delete("query", self.key(oldest))
        pressed = {
            "id": query_id,
            "from": sender,
            "message": self.shown(message),
            "chat_instance": str(self.user_id * 1_000_003 ^ message.chat_id),
            "data": data,
        }
        self.queue("callback_query", pressed)
        return query

    def keep_query(self, query: CallbackQuery) -> None:
        """Store a query's record."""
        self.queries[query.query_id] = query
        self.world.journal.put("query", self.key(query.query_id), msgspec.json.encode(query))

    def open_query(self, query_id: str) -> CallbackQuery:
        """Return a query that can still be answered. Raises RefusalError."""
        query = self.queries.get(query_id)
        if query is None or query.answer is not None or self.world.clock() > query.created + QUERY_RETENTION_SECONDS:
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        return query

    def queue(self, kind: str, payload: Object) -> None:
        """Queue an update for the bot."""
        self.updates.add(kind, payload, self.world.clock())

    def tell(self, name: str, chat_id: int, value: Object) -> None:
        """Send an event to the listening web pages."""
        self.world.events.publish(self.token, name, {"chat_id": chat_id, **value})
