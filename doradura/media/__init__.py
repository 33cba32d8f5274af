"""Facts that the bot and its child processes both read: formats, variants, links, sites, the worker protocol."""
