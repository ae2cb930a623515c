"""The whole suite may talk to this machine only, and finds no event loop that it did not start."""

from __future__ import annotations

import asyncio
import ipaddress
import sys

import pytest


class NetworkRefusedError(RuntimeError):
    """A test tried to leave this machine."""


def _is_loopback(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    text = host.decode(errors="replace") if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def _refuse_network(event: str, args: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    if not _is_loopback(host):
        raise NetworkRefusedError(f"tests may only talk to this machine, and this one asked for {host!r}")


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> None:
    """Refuse any connection or look-up beyond loopback, from here on, in this process."""
    sys.addaudithook(_refuse_network)


@pytest.fixture(scope="session", autouse=True)
def _no_implicit_loop() -> None:
    """Keep libraries from making an event loop by asking for one: nobody would close it."""
    asyncio.set_event_loop(None)
