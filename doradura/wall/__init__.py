"""The wall: what the kernel keeps a child from, whatever code runs in it.

Owns the kernel's side alone: numbers and tables, the seccomp program, Landlock's rules, the notification of a connect.
What a child of ours may read, and when all this is set, is `child.walling`; who answers a notification is the gate. It
imports the standard library alone, for the gate and the child both have it.
"""
