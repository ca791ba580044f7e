"""Where webhooks may go: public addresses, and the networks that the settings allow.

A name is resolved before each connection, and the connection goes to the address that was
looked at: a name that means something else a moment later changes nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence

import trio

from ..outbound.address import address_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST_URL = 2048
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
# IPv6 addresses that lead to an IPv4 address: what that one is cannot be seen by `is_global`.
_LEADING_ELSEWHERE = tuple(
    map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
)


class Forbidden(Exception):
    """An address that webhooks may not reach. The text says why."""


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation; ValueError for what is none."""
    return tuple(map(ipaddress.ip_network, texts))


def check_url(url: str) -> str:
    """The host. Raises Forbidden for what no request can go to, whatever its name means at the
    time.
    """
    if len(url) > LONGEST_URL:
        raise Forbidden(f"longer than {LONGEST_URL} characters")
    try:
        address = address_of(url)
    except ValueError as error:
        raise Forbidden(str(error)) from None
    if address.has_login:
        raise Forbidden("a name or a password in the address: use the signature")
    if not _HOST.fullmatch(address.wire_host):
        raise Forbidden(f"no name of a host: {address.host!r}")
    if address.port is not None and not 0 < address.port < 65536:
        raise Forbidden(f"no port: {address.port}")
    return address.host


def is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether an address is public, or within what is allowed."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address.version == net.version and address in net for net in allowed):
        return True
    if any(address in net for net in _LEADING_ELSEWHERE if address.version == 6):
        return False
    return address.is_global and not address.is_multicast


async def resolved(host: str, port: int, allowed: Sequence[Network]) -> str:
    """An address of `host` that may be reached; Forbidden if there is none, OSError if the name
    is not known.
    """
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(where[0]).partition("%")[0] for *_, where in found]
    for text in addresses:
        if is_allowed(ipaddress.ip_address(text), allowed):
            return text
    shown = ", ".join(addresses[:3])
    raise Forbidden(f"{host} is the private address {shown}: see webhooks.networks")
