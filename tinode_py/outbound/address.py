"""Addresses of services, as the client reads them: what was checked is what is asked."""

from __future__ import annotations

import attrs

from ..config import ConfigError


@attrs.frozen
class Address:
    """`host` is shown as it was written, `wire_host` is what names are asked for: ASCII."""

    host: str
    wire_host: str
    port: int | None
    has_login: bool


def address_of(url: str) -> Address:
    """ValueError for what is no address of HTTP."""
    import httpx  # see `client`

    try:
        parsed = httpx.URL(url)
        port = parsed.port
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("wants an address that begins with http:// or https://")
    wire_host = parsed.raw_host.decode("ascii")
    return Address(parsed.host, wire_host, port, bool(parsed.userinfo))


def check_setting(key: str, url: str) -> None:
    """ConfigError for a setting that is no address of HTTP."""
    try:
        address_of(url)
    except ValueError as error:
        raise ConfigError(key, str(error)) from None
