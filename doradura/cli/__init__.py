"""The command line: one command a module, each with a `run`; `__main__` imports the one that is asked for.

This is the process's edge: the environment, signals and exit codes live here and nowhere else.
"""
