"""The command line: one command per module, each with a `run`; `__main__` imports the requested one.

This is the process's edge: the environment, signals and exit codes are handled here and nowhere else.
"""
