"""A hand-written Bot API client over httpx and Trio.

It knows nothing of downloads, storage or metrics: it is given an observer and a place to store updates. Start with
`client.open_bot_api`. `poller.Poller` fetches updates; `errors` lists what can go wrong and whether the call took
effect.
"""
