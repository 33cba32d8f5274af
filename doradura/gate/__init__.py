"""The gate: the process through which all connections of all workers go.

A SOCKS5 server (CONNECT alone) on loopback. It resolves each name once, has `media.addresses` judge each address, and
connects to what it judged, so that an answer that changes between two look-ups changes nothing. Who connects is known
by the token that the bot gave the job: no other program can use the gate, and bytes, hosts and connections are known
per job. It knows nothing of what is fetched.
"""
