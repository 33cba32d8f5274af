"""The state of the sandbox: people, bots, chats, messages, files, money, and where they are kept."""
