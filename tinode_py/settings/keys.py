"""What a key of the configuration is: its default, unit, bounds and meaning.

The modules beside this one declare the keys, table by table: names, defaults, bounds and
one-sentence descriptions, from which `docs/configuration.md` is generated. How values are read and
checked is in `config`. A text, list or path that is empty means "none". Secrets never show in a
`repr`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs

MAX_NUMBER = 2**53  # beyond it JSON readers lose digits


def key(
    default: Any,
    about: str,
    *,
    unit: str = "",
    low: float = 0,
    high: float = MAX_NUMBER,
    secret: bool = False,
    shown: Callable[[Any], Any] | None = None,
) -> Any:
    """One key. `low` and `high` bound numbers, both inclusive. `shown`: the part of a value that
    is no secret.
    """
    metadata = {"about": about, "unit": unit, "low": low, "high": high, "secret": secret}
    metadata["shown"] = shown or _whole
    how = (lambda value: repr(shown(value))) if shown else not secret
    return attrs.field(default=default, metadata=metadata, repr=how)


def _whole(value: Any) -> Any:
    return value


def without_password(url: str) -> str:
    """A URL with `***` in place of its password, wherever it stands in it."""
    url = re.sub(r"(?<=://)([^/?#@:]*):[^/?#]*@", r"\1:***@", url)
    return re.sub(r"((?:ssl)?password=)[^&]*", r"\1***", url)


def table(cls: type, about: str) -> Any:
    """A nested table of keys."""
    return attrs.field(factory=cls, metadata={"about": about})
