"""Accounts and plans: who a user is to the bot. No plan can be bought yet."""
