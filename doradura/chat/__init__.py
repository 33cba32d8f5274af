"""What the bot says and does: one module a conversation, texts by key through gettext."""
