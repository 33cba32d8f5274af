"""`health`: asks the running bot for its health, for people and for containers' health checks.

It uses only the standard library beside the settings, so that it starts quickly and stays small.
"""

from __future__ import annotations

import argparse
import http.client
import json
from typing import NamedTuple

from doradura.cli.edge import settings_or_complaint
from doradura.settings import Address
from doradura.startup import EXIT_FAILED, EXIT_OK, EXIT_SETTINGS

HEALTH_TIMEOUT_SECONDS = 5.0


def run(asked: argparse.Namespace) -> int:
    """Ask /health, or the chosen probe; return EXIT_OK if the bot works."""
    settings = settings_or_complaint(token_required=False)
    if settings is None:
        return EXIT_SETTINGS
    bind = settings.http_bind
    answer = ask_probe(bind, asked.probe) if asked.probe else ask_health(bind)
    print(answer.text)  # noqa: T201 - the command's answer
    return EXIT_OK if answer.healthy else EXIT_FAILED


class HealthAnswer(NamedTuple):
    """The answer at the address where the bot should listen."""

    is_doradura: bool
    healthy: bool
    text: str
    """One line for whoever asked."""


def ask_health(address: Address) -> HealthAnswer:
    """Ask the bot that listens there for its health."""
    try:
        status, body = _get(address, "/health")
        report = json.loads(body)
        faults = [f"{name}: {check['message']}" for name, check in report["checks"].items() if check["status"] != "ok"]
        text = "; ".join([str(report["status"]), *faults])
        return HealthAnswer(is_doradura=True, healthy=status == http.client.OK, text=text)
    except OSError as error:
        return _silent(address, error)
    except (http.client.HTTPException, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return _foreign(address)


def ask_probe(address: Address, path: str) -> HealthAnswer:
    """Ask for /livez or /readyz. Neither has a body, so it remains unknown whether it was Doradura that answered."""
    try:
        status, _ = _get(address, path)
    except OSError as error:
        return _silent(address, error)
    except http.client.HTTPException:
        return _foreign(address)
    yes = status == http.client.OK
    return HealthAnswer(is_doradura=yes, healthy=yes, text=f"{path}: {'yes' if yes else f'no ({status})'}")


def _get(address: Address, path: str) -> tuple[int, bytes]:
    where = address.reachable
    connection = http.client.HTTPConnection(where.host, where.port, timeout=HEALTH_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _silent(address: Address, error: OSError) -> HealthAnswer:
    why = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
    return _nothing(f"nothing answers on {address.reachable} ({why}). Is the bot running?")


def _foreign(address: Address) -> HealthAnswer:
    return _nothing(f"what answers on {address.reachable} is not Doradura.")


def _nothing(text: str) -> HealthAnswer:
    return HealthAnswer(is_doradura=False, healthy=False, text=f"{text} DORADURA_HTTP_BIND says where to look.")
