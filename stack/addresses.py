"""Where the stack's programs listen.

Chooses free ports where port 0 is set, and says clearly if an address is taken.
"""

from __future__ import annotations

import dataclasses
import socket

from doradura.settings import Address, Settings
from stack.facts import StackError
from stack.programs import Place


class AddressTakenError(StackError):
    """Something listens there already."""


def with_ports(settings: Settings) -> Settings:
    """Return the settings with a free port in each address of the stack's that has port 0."""
    return dataclasses.replace(
        settings,
        stack_prometheus=_with_port(settings.stack_prometheus),
        stack_alertmanager=_with_port(settings.stack_alertmanager),
        stack_grafana=_with_port(settings.stack_grafana),
    )


def _with_port(bind: Address) -> Address:
    if bind.port:
        return bind
    with socket.socket(_family(bind.host)) as probe:
        probe.bind((bind.host, 0))
        return Address(bind.host, probe.getsockname()[1])


def check_free(place: Place) -> None:
    """Raise AddressTakenError if a part of the stack can't listen on its address."""
    try:
        with socket.socket(_family(place.bind.host)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((place.bind.host, place.bind.port))
    except OSError as error:
        raise AddressTakenError(
            f"{place.name} can't listen on {place.bind}: {error.strerror}. Stop the program that listens there, or set "
            f"{place.setting} to another address."
        ) from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
