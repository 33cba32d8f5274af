"""A Bot API client by hand, over httpx on Trio.

Knows nothing of downloads, storage or metrics: it is handed an observer, and a place where updates are stored. The way
in is `client.open_bot_api`; `poller.Poller` fetches updates; `errors` says what can go wrong and whether it happened.
"""
