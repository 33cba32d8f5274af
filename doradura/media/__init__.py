"""Facts that the bot and its child processes both read: formats, links, sites, addresses, the worker protocol."""
