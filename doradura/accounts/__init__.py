"""Who somebody is to the bot: their account, and the plans that there are. Nothing sells one yet."""
