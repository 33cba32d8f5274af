"""The gate: the process through which all connections of all workers go.

It is a SOCKS5 server (CONNECT only) on loopback. It resolves a name once per connection, has `media.addresses` judge
each address, and connects to an address that it judged, so that an answer that changes between two look-ups changes
nothing. The token that the bot gave a job says whose connection it is: no other program can use the gate, and bytes,
hosts and connections are known per job. It knows nothing of what is fetched.

A fault in one connection ends that connection only. If the process dies, all connections break, and the bot starts
another one on the same socket (`workers.gate`).
"""
