"""Facts that the bot and its children share: formats, variants, reasons, links, sites, addresses, the protocol."""
