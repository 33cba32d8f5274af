"""Doradura: a self-hosted media bot for Telegram, and the monitoring around it."""

__version__ = "0.1.0"
