"""The table of Bot API methods the sandbox knows. Names are compared without regard to case."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from doradura.sandbox.api.call import Method
from doradura.sandbox.api.methods import (
    bot as methods_bot,
)
from doradura.sandbox.api.methods import (
    chats as methods_chats,
)
from doradura.sandbox.api.methods import (
    commands as methods_commands,
)
from doradura.sandbox.api.methods import (
    copies as methods_copies,
)
from doradura.sandbox.api.methods import (
    files as methods_files,
)
from doradura.sandbox.api.methods import (
    invite_links,
)
from doradura.sandbox.api.methods import (
    kinds as methods_kinds,
)
from doradura.sandbox.api.methods import (
    members as methods_members,
)
from doradura.sandbox.api.methods import (
    messages as methods_messages,
)
from doradura.sandbox.api.methods import (
    payments as methods_payments,
)
from doradura.sandbox.api.methods import (
    places as methods_places,
)
from doradura.sandbox.api.methods import (
    polls as methods_polls,
)

_NAME = methods_bot.tells("name", 64)
_DESCRIPTION = methods_bot.tells("description", 512)
_SHORT = methods_bot.tells("short_description", 120)

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
        "getMe": methods_bot.get_me,
        "deleteWebhook": methods_bot.delete_webhook,
        "getWebhookInfo": methods_bot.get_webhook_info,
        "setMyCommands": methods_commands.set_my_commands,
        "getMyCommands": methods_commands.get_my_commands,
        "deleteMyCommands": methods_commands.delete_my_commands,
        "sendMessage": methods_messages.send_message,
        "editMessageText": methods_messages.edit_message_text,
        "editMessageCaption": methods_messages.edit_message_caption,
        "editMessageReplyMarkup": methods_messages.edit_message_reply_markup,
        "deleteMessage": methods_messages.delete_message,
        "answerCallbackQuery": methods_messages.answer_callback_query,
        "sendChatAction": methods_messages.send_chat_action,
        "sendAudio": methods_files.sender("audio"),
        "sendVideo": methods_files.sender("video"),
        "sendDocument": methods_files.sender("document"),
        "sendPhoto": methods_files.sender("photo"),
        "editMessageMedia": methods_files.edit_message_media,
        "getFile": methods_files.get_file,
        "sendAnimation": methods_files.sender("animation"),
        "sendVoice": methods_files.sender("voice"),
        "sendVideoNote": methods_files.sender("video_note"),
        "sendMediaGroup": methods_files.send_media_group,
        "sendLocation": methods_places.send_location,
        "sendVenue": methods_places.send_venue,
        "editMessageLiveLocation": methods_places.edit_message_live_location,
        "stopMessageLiveLocation": methods_places.stop_message_live_location,
        "sendContact": methods_kinds.send_contact,
        "sendDice": methods_kinds.send_dice,
        "sendSticker": methods_files.sender("sticker"),
        "sendPoll": methods_polls.send_poll,
        "stopPoll": methods_polls.stop_poll,
        "setMessageReaction": methods_polls.set_message_reaction,
        "answerInlineQuery": methods_messages.answer_inline_query,
        "logOut": methods_bot.leave_server,
        "close": methods_bot.leave_server,
        "setMyDefaultAdministratorRights": methods_bot.set_default_rights,
        "getMyDefaultAdministratorRights": methods_bot.get_default_rights,
        "forwardMessage": methods_copies.forward_message,
        "forwardMessages": methods_copies.forward_messages,
        "copyMessage": methods_copies.copy_message,
        "copyMessages": methods_copies.copy_messages,
        "deleteMessages": methods_copies.delete_messages,
        "getChat": methods_chats.get_chat,
        "getChatMember": methods_chats.get_chat_member,
        "getChatMemberCount": methods_chats.get_chat_member_count,
        "getChatAdministrators": methods_chats.get_chat_administrators,
        "leaveChat": methods_chats.leave_chat,
        "banChatMember": methods_members.ban_chat_member,
        "unbanChatMember": methods_members.unban_chat_member,
        "restrictChatMember": methods_members.restrict_chat_member,
        "promoteChatMember": methods_members.promote_chat_member,
        "setChatTitle": methods_members.set_chat_title,
        "setChatDescription": methods_members.set_chat_description,
        "setChatPermissions": methods_members.set_chat_permissions,
        "setChatAdministratorCustomTitle": methods_members.set_chat_administrator_custom_title,
        "approveChatJoinRequest": methods_members.answer_join_request,
        "declineChatJoinRequest": methods_members.answer_join_request,
        **dict.fromkeys(_TOPICS, methods_members.manage_topics),
        "exportChatInviteLink": invite_links.export_chat_invite_link,
        "createChatInviteLink": invite_links.create_chat_invite_link,
        "editChatInviteLink": invite_links.edit_chat_invite_link,
        "revokeChatInviteLink": invite_links.revoke_chat_invite_link,
        "pinChatMessage": methods_chats.pin_chat_message,
        "unpinChatMessage": methods_chats.unpin_chat_message,
        "unpinAllChatMessages": methods_chats.unpin_all_chat_messages,
        "setWebhook": methods_bot.set_webhook,
        "setMyName": _NAME[0],
        "getMyName": _NAME[1],
        "setMyDescription": _DESCRIPTION[0],
        "getMyDescription": _DESCRIPTION[1],
        "setMyShortDescription": _SHORT[0],
        "getMyShortDescription": _SHORT[1],
        "setChatMenuButton": methods_bot.set_chat_menu_button,
        "getChatMenuButton": methods_bot.get_chat_menu_button,
        "getUserProfilePhotos": methods_bot.get_user_profile_photos,
        "sendInvoice": methods_payments.send_invoice,
        "createInvoiceLink": methods_payments.create_invoice_link,
        "answerPreCheckoutQuery": methods_payments.answer_pre_checkout_query,
        "answerShippingQuery": methods_payments.answer_shipping_query,
        "refundStarPayment": methods_payments.refund_star_payment,
        "editUserStarSubscription": methods_payments.edit_user_star_subscription,
        "getStarTransactions": methods_payments.get_star_transactions,
        "getMyStarBalance": methods_payments.get_my_star_balance,
    }
)
METHODS: Mapping[str, Method] = MappingProxyType({name.lower(): method for name, method in _BY_NAME.items()})
NAMES: Mapping[str, str] = MappingProxyType({name.lower(): name for name in (*_BY_NAME, "getUpdates")})
"""Each method's spelling; getUpdates stands apart, since it waits for its client as well."""

DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {"deletewebhook": "Webhook is already deleted", "setwebhook": "Webhook is already deleted"}
)
"""What some successes say besides their result."""
