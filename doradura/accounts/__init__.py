"""Who somebody is to the bot: so far the plans that there are. Nothing sells one yet."""
