"""Conversations of clients nobody here wrote, against the sandbox: each a script that runs in a process of its own."""
