"""Where a PostgreSQL database is, and how it is spoken of: never with its password."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from types import ModuleType

import attrs

from ...errors import StoreError

# What the URL may set otherwise. A peer that has vanished is noticed within 20 seconds.
_DEFAULTS: Mapping[str, str] = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
_HOW = "wants postgresql://user@host:5432/database"


class AddressFault(ValueError):
    """What should be a URL is none. The text does not repeat it: a password may be in it."""


@attrs.frozen
class Address:
    """The parameters of a connection. `shown` is for people."""

    parameters: Mapping[str, str] = attrs.field(repr=False)
    shown: str

    @classmethod
    def of(cls, url: str) -> Address:
        """AddressFault for what is no URL; StoreError if psycopg is not installed."""
        psycopg = library()
        try:
            found = psycopg.conninfo.conninfo_to_dict(url)
        except (psycopg.Error, ValueError):
            raise AddressFault(_HOW) from None
        given = {name: str(value) for name, value in found.items() if value is not None}
        host = given.get("host", "")
        where = "" if host.startswith("/") else host
        if given.get("port") and where:
            where += f":{given['port']}"
        user = f"{given['user']}@" if "user" in given else ""
        return cls({**_DEFAULTS, **given}, f"postgresql://{user}{where}/{given.get('dbname', '')}")

    def reason(self, error: BaseException) -> str:
        """The first line of what a database said, for logs and people."""
        lines = str(error).strip().splitlines()
        text = lines[0].strip() if lines else type(error).__name__
        for name in ("password", "sslpassword"):
            if self.parameters.get(name):
                text = text.replace(self.parameters[name], "***")
        return text


def library() -> ModuleType:
    """The psycopg module; StoreError that says how to install it."""
    with contextlib.suppress(ImportError):
        import psycopg
        import psycopg.conninfo

        return psycopg
    raise StoreError("PostgreSQL wants psycopg: pip install 'tinode-py[postgres]'")
