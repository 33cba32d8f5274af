"""Judging recorded calls by the Bot API as data: tests/data/botapi.json, made by `python -m tests.botapi FILE`."""
