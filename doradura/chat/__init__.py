"""What the bot says and does in chats: one module for each conversation; texts are looked up by key with gettext."""
