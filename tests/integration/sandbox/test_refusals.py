"""What is refused before anything is looked up or done, in the words of the Bot API server, method by method."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.sandbox.conftest import Client
from tests.integration.sandbox.test_methods import error, group

SCOPE = "can't parse BotCommandScope: "
COMMAND = {"command": "a", "description": "b"}


@pytest.mark.parametrize(
    ("method", "given", "why"),
    [
        ("deleteMessage", {"message_id": 1}, "chat identifier is not specified"),
        ("deleteMessage", {"chat_id": 1000}, "message identifier is not specified"),
        ("deleteMessage", {"chat_id": 1000, "message_id": 9}, "message to delete not found"),
        ("deleteMessages", {"chat_id": 1000}, "message identifiers are not specified"),
        ("deleteMessages", {"chat_id": 1000, "message_ids": []}, "message identifiers are not specified"),
        ("deleteMessages", {"chat_id": 1000, "message_ids": "["}, "can't parse message_ids JSON object"),
        ("deleteMessages", {"chat_id": 1000, "message_ids": 5}, "expected an Array of message identifiers"),
        ("deleteMessages", {"chat_id": 1000, "message_ids": [True]}, "message identifier must be a Number"),
        ("deleteMessages", {"chat_id": 1000, "message_ids": ["x"]}, "can't parse message identifier as Number"),
        ("deleteMessages", {"chat_id": 1000, "message_ids": [0]}, "invalid message identifier specified"),
        ("deleteMessages", {"chat_id": 1000, "message_ids": [1] * 101}, "too many message identifiers specified"),
        ("deleteMessages", {"chat_id": 1, "message_ids": [1]}, "chat not found"),
        ("forwardMessage", {"chat_id": 1000}, 'parameter "from_chat_id" is required'),
        ("forwardMessage", {"chat_id": 1000, "from_chat_id": 1000}, "message to forward not found"),
        ("copyMessage", {"chat_id": 1000, "from_chat_id": 1000, "message_id": 9}, "message to copy not found"),
        ("copyMessages", {"chat_id": 1000, "message_ids": [1]}, 'parameter "from_chat_id" is required'),
        ("stopPoll", {"chat_id": 1000}, "message with poll to stop not found"),
        ("sendPoll", {"chat_id": 1000, "question": "?"}, "can't parse options JSON object"),
        ("sendPoll", {"chat_id": 1000, "question": "?", "options": {}}, "expected an Array of String as options"),
        ("sendPoll", {"chat_id": 1000, "question": "?", "options": [5]}, "expected an option to be of type String"),
        ("sendPoll", {"chat_id": 1000, "question": "?", "options": [{}]}, 'can\'t find field "text"'),
        ("setMessageReaction", {"chat_id": 1000, "reaction": {}}, "expected an Array of ReactionType"),
        ("setMessageReaction", {"chat_id": 1000, "reaction": [5]}, "can't parse ReactionType: expected an Object"),
        (
            "setMessageReaction",
            {"chat_id": 1000, "reaction": [{"type": "paid"}]},
            "can't parse ReactionType: invalid reaction type specified",
        ),
        ("setMessageReaction", {"chat_id": 1000}, "message to react not found"),
        ("editMessageMedia", {"chat_id": 1000}, 'parameter "media" is required'),
        ("editMessageMedia", {"chat_id": 1000, "media": "["}, "can't parse input media JSON object"),
        ("editMessageMedia", {"chat_id": 1000, "media": {}}, "can't parse InputMedia: media not found"),
        ("answerShippingQuery", {"ok": True}, 'parameter "shipping_options" is required'),
        ("answerShippingQuery", {"ok": False}, 'parameter "error_message" is required'),
        ("getUserProfilePhotos", {}, "invalid user_id specified"),
        ("getUserProfilePhotos", {"user_id": 5}, "user not found"),
        ("getChatMember", {"chat_id": 1000}, "invalid user_id specified"),
        ("getChatMember", {"chat_id": 1000, "user_id": 5}, "PARTICIPANT_ID_INVALID"),
        ("setMyCommands", {"commands": "["}, "can't parse commands JSON object"),
        ("setMyCommands", {"commands": {}}, "expected an Array of BotCommand"),
        ("setMyCommands", {"commands": [5]}, "can't parse BotCommand: expected an Object"),
        ("setMyCommands", {"commands": [{}]}, "can't parse BotCommand: Can't find field \"command\""),
        ("setMyCommands", {"commands": [{**COMMAND, "command": "/"}]}, "command must be non-empty"),
        ("setMyCommands", {"commands": [{**COMMAND, "command": "Ä"}]}, "BOT_COMMAND_INVALID"),
        ("setMyCommands", {"commands": [{**COMMAND, "command": "c" * 33}]}, "command length must not exceed 32"),
        ("setMyCommands", {"commands": [{**COMMAND, "description": " "}]}, "command description must be non-empty"),
        (
            "setMyCommands",
            {"commands": [{**COMMAND, "description": "d" * 257}]},
            "command description length must not exceed 256",
        ),
        ("setMyCommands", {"commands": [COMMAND] * 101}, "BOT_COMMANDS_TOO_MUCH"),
        ("getMyCommands", {"scope": "["}, "can't parse BotCommandScope JSON object"),
        ("getMyCommands", {"scope": []}, SCOPE + "BotCommandScope must be an Object"),
        ("getMyCommands", {"scope": {}}, SCOPE + 'Can\'t find field "type"'),
        ("getMyCommands", {"scope": {"type": "x"}}, SCOPE + "Unsupported type specified"),
        ("getMyCommands", {"scope": {"type": "chat"}}, SCOPE + 'Can\'t find field "chat_id"'),
        ("getMyCommands", {"scope": {"type": "chat", "chat_id": ""}}, SCOPE + "Empty chat_id specified"),
        ("getMyCommands", {"scope": {"type": "chat", "chat_id": 5}}, "chat not found"),
        (
            "getMyCommands",
            {"scope": {"type": "chat_member", "chat_id": 1000, "user_id": 0}},
            SCOPE + "Invalid user_id specified",
        ),
        ("getMyCommands", {"language_code": "english"}, "invalid language code specified"),
        ("setChatMenuButton", {"menu_button": "["}, "can't parse menu button JSON object"),
        ("setChatMenuButton", {"menu_button": []}, "can't parse menu button: MenuButton must be an Object"),
        (
            "setChatMenuButton",
            {"menu_button": {"type": "x"}},
            "can't parse menu button: MenuButton has unsupported type",
        ),
        (
            "setChatMenuButton",
            {"menu_button": {"type": "web_app", "text": "x", "web_app": {"url": "http://example.org/"}}},
            "menu button Web App URL 'http://example.org/' is invalid: Only HTTPS links are allowed",
        ),
        ("setChatMenuButton", {"chat_id": 0}, "invalid chat_id specified"),
        ("getChatMenuButton", {"chat_id": 5}, "user not found"),
        (
            "setMyDefaultAdministratorRights",
            {"rights": "["},
            "can't parse ChatAdministratorRights JSON object",
        ),
        (
            "setMyDefaultAdministratorRights",
            {"rights": {"can_manage_chat": "yes"}},
            'can\'t parse ChatAdministratorRights: Field "can_manage_chat" must be of type Boolean',
        ),
        ("promoteChatMember", {"chat_id": 1000}, "method is available for supergroup and channel chats only"),
        ("unbanChatMember", {"chat_id": 1000}, "method is available for supergroup and channel chats only"),
        ("restrictChatMember", {"chat_id": 1000}, "method is available only for supergroups"),
    ],
)
async def test_what_is_refused(client: Client, method: str, given: dict[str, Any], why: str) -> None:
    """One wrong thing at a time."""
    assert await error(client, method, **given) == (400, f"Bad Request: {why}")


async def test_identifiers_may_be_texts(client: Client) -> None:
    """Message identifiers in an array are numbers or texts of digits."""
    first = await client.result("sendMessage", chat_id=1000, text="x")
    assert await client.result("deleteMessages", chat_id=1000, message_ids=[str(first["message_id"]), 99]) is True
    assert await client.messages() == []


async def test_a_group_the_bot_is_not_in(client: Client) -> None:
    """Nothing can be deleted there, nor any reaction set."""
    chat = await group(client)
    sent = await client.result("sendMessage", chat_id=chat, text="x")
    await client.act(f"chats/{chat}/block", from_id=1000, blocked=True)
    for method, given in (
        ("deleteMessage", {"message_id": sent["message_id"]}),
        ("deleteMessages", {"message_ids": [sent["message_id"]]}),
        ("setMessageReaction", {"message_id": sent["message_id"]}),
    ):
        assert await error(client, method, chat_id=chat, **given) == (
            403,
            "Forbidden: bot was kicked from the group chat",
        )


async def test_menu_buttons(client: Client) -> None:
    """Everybody's shows the commands, somebody's is the default one until it is set; a link comes back whole."""
    assert await client.result("getChatMenuButton") == {"type": "commands"}
    assert await client.result("getChatMenuButton", chat_id=1000) == {"type": "default"}
    button = {"type": "web_app", "text": "Open", "web_app": {"url": "https://Example.org"}}
    await client.result("setChatMenuButton", chat_id=1000, menu_button=button)
    shown = {"type": "web_app", "text": "Open", "web_app": {"url": "https://example.org/"}}
    assert await client.result("getChatMenuButton", chat_id=1000) == shown
    assert await client.result("getChatMenuButton") == {"type": "commands"}


async def test_a_polls_emoji(client: Client) -> None:
    """Of a question's and an option's entities custom emoji stay; what else was marked up is gone."""
    emoji = [{"type": "custom_emoji", "offset": 0, "length": 2, "custom_emoji_id": "5"}]
    bold = [{"type": "bold", "offset": 0, "length": 2}]
    options = [{"text": "😀 a", "text_entities": emoji}, {"text": "<b>b</b>", "text_parse_mode": "HTML"}]
    poll = (
        await client.result(
            "sendPoll", chat_id=1000, question="😀?", question_entities=[*emoji, *bold], options=options
        )
    )["poll"]
    assert (poll["question"], poll["question_entities"]) == ("😀?", emoji)
    assert [(option["text"], option.get("text_entities")) for option in poll["options"]] == [
        ("😀 a", emoji),
        ("b", None),
    ]
