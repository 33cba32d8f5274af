"""The table of Bot API methods that the sandbox knows. Names are compared without regard to case."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from doradura.sandbox.api.call import Method
from doradura.sandbox.api.methods import (
    bot,
    chats,
    commands,
    copies,
    files,
    invite_links,
    kinds,
    members,
    messages,
    payments,
    places,
    polls,
)

_NAME = bot.tells("name", 64)
_DESCRIPTION = bot.tells("description", 512)
_SHORT = bot.tells("short_description", 120)

_TOPICS = (
    "createForumTopic",
    "editForumTopic",
    "closeForumTopic",
    "reopenForumTopic",
    "deleteForumTopic",
    "unpinAllForumTopicMessages",
    "editGeneralForumTopic",
    "closeGeneralForumTopic",
    "reopenGeneralForumTopic",
    "hideGeneralForumTopic",
    "unhideGeneralForumTopic",
    "unpinAllGeneralForumTopicMessages",
)

_BY_NAME: Mapping[str, Method] = MappingProxyType(
    {
        "getMe": bot.get_me,
        "deleteWebhook": bot.delete_webhook,
        "getWebhookInfo": bot.get_webhook_info,
        "setMyCommands": commands.set_my_commands,
        "getMyCommands": commands.get_my_commands,
        "deleteMyCommands": commands.delete_my_commands,
        "sendMessage": messages.send_message,
        "editMessageText": messages.edit_message_text,
        "editMessageCaption": messages.edit_message_caption,
        "editMessageReplyMarkup": messages.edit_message_reply_markup,
        "deleteMessage": messages.delete_message,
        "answerCallbackQuery": messages.answer_callback_query,
        "sendChatAction": messages.send_chat_action,
        "sendAudio": files.sender("audio"),
        "sendVideo": files.sender("video"),
        "sendDocument": files.sender("document"),
        "sendPhoto": files.sender("photo"),
        "editMessageMedia": files.edit_message_media,
        "getFile": files.get_file,
        "sendAnimation": files.sender("animation"),
        "sendVoice": files.sender("voice"),
        "sendVideoNote": files.sender("video_note"),
        "sendMediaGroup": files.send_media_group,
        "sendLocation": places.send_location,
        "sendVenue": places.send_venue,
        "editMessageLiveLocation": places.edit_message_live_location,
        "stopMessageLiveLocation": places.stop_message_live_location,
        "sendContact": kinds.send_contact,
        "sendDice": kinds.send_dice,
        "sendSticker": files.sender("sticker"),
        "sendPoll": polls.send_poll,
        "stopPoll": polls.stop_poll,
        "setMessageReaction": polls.set_message_reaction,
        "answerInlineQuery": messages.answer_inline_query,
        "logOut": bot.leave_server,
        "close": bot.leave_server,
        "setMyDefaultAdministratorRights": bot.set_default_rights,
        "getMyDefaultAdministratorRights": bot.get_default_rights,
        "forwardMessage": copies.forward_message,
        "forwardMessages": copies.forward_messages,
        "copyMessage": copies.copy_message,
        "copyMessages": copies.copy_messages,
        "deleteMessages": copies.delete_messages,
        "getChat": chats.get_chat,
        "getChatMember": chats.get_chat_member,
        "getChatMemberCount": chats.get_chat_member_count,
        "getChatAdministrators": chats.get_chat_administrators,
        "leaveChat": chats.leave_chat,
        "banChatMember": members.ban_chat_member,
        "unbanChatMember": members.unban_chat_member,
        "restrictChatMember": members.restrict_chat_member,
        "promoteChatMember": members.promote_chat_member,
        "setChatTitle": members.set_chat_title,
        "setChatDescription": members.set_chat_description,
        "setChatPermissions": members.set_chat_permissions,
        "setChatAdministratorCustomTitle": members.set_chat_administrator_custom_title,
        "approveChatJoinRequest": members.answer_join_request,
        "declineChatJoinRequest": members.answer_join_request,
        **dict.fromkeys(_TOPICS, members.manage_topics),
        "exportChatInviteLink": invite_links.export_chat_invite_link,
        "createChatInviteLink": invite_links.create_chat_invite_link,
        "editChatInviteLink": invite_links.edit_chat_invite_link,
        "revokeChatInviteLink": invite_links.revoke_chat_invite_link,
        "pinChatMessage": chats.pin_chat_message,
        "unpinChatMessage": chats.unpin_chat_message,
        "unpinAllChatMessages": chats.unpin_all_chat_messages,
        "setWebhook": bot.set_webhook,
        "setMyName": _NAME[0],
        "getMyName": _NAME[1],
        "setMyDescription": _DESCRIPTION[0],
        "getMyDescription": _DESCRIPTION[1],
        "setMyShortDescription": _SHORT[0],
        "getMyShortDescription": _SHORT[1],
        "setChatMenuButton": bot.set_chat_menu_button,
        "getChatMenuButton": bot.get_chat_menu_button,
        "getUserProfilePhotos": bot.get_user_profile_photos,
        "sendInvoice": payments.send_invoice,
        "createInvoiceLink": payments.create_invoice_link,
        "answerPreCheckoutQuery": payments.answer_pre_checkout_query,
        "answerShippingQuery": payments.answer_shipping_query,
        "refundStarPayment": payments.refund_star_payment,
        "editUserStarSubscription": payments.edit_user_star_subscription,
        "getStarTransactions": payments.get_star_transactions,
        "getMyStarBalance": payments.get_my_star_balance,
    }
)
METHODS: Mapping[str, Method] = MappingProxyType({name.lower(): method for name, method in _BY_NAME.items()})
NAMES: Mapping[str, str] = MappingProxyType({name.lower(): name for name in (*_BY_NAME, "getUpdates")})
"""Each method's spelling; getUpdates is separate, since it also waits for its client."""

DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {"deletewebhook": "Webhook is already deleted", "setwebhook": "Webhook is already deleted"}
)
"""What some successes say besides their result."""
