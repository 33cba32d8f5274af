"""Reads ChatPermissions as the server does: a permission implies those it needs, unless the bot says otherwise.

Pure. Source: tdlib/telegram-bot-api, Client.cpp (get_chat_permissions).
"""

from __future__ import annotations

from doradura.sandbox.api.call import Call
from doradura.sandbox.api.fields import Fields, read_object
from doradura.sandbox.state.members import PERMISSIONS

_MEDIA = tuple(f"can_send_{kind}" for kind in ("audios", "documents", "photos", "videos", "video_notes", "voice_notes"))


def read_permissions(call: Call) -> dict[str, bool]:
    """Return every permission of the parameter. Raises RefusalError."""
    if not call.parameters.text("permissions"):
        return dict.fromkeys(PERMISSIONS, False)
    fields = Fields(read_object(call.parameters, "permissions", "permissions"), "can't parse chat permissions: ")
    allowed = {name: fields.boolean(name) for name in PERMISSIONS}
    if not fields.has("can_manage_topics"):
        allowed["can_manage_topics"] = allowed["can_pin_messages"]
    if not any(fields.has(name) for name in _MEDIA):
        # The name from before there was one for each kind.
        allowed |= dict.fromkeys(_MEDIA, fields.boolean("can_send_media_messages"))
    if not call.parameters.boolean("use_independent_chat_permissions"):
        if allowed["can_send_other_messages"] or allowed["can_add_web_page_previews"]:
            allowed |= dict.fromkeys(_MEDIA, True)
        if allowed["can_send_polls"] or any(allowed[name] for name in _MEDIA):
            allowed["can_send_messages"] = True
    return allowed
