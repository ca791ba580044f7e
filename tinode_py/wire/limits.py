"""How big a packet and its parts may be, and the error for a packet that cannot be read.

These bounds keep one packet from costing more than its bytes are worth. Rules of chat (how many
tags, how long a tag) are the core's and stricter.
"""

from __future__ import annotations

import attrs

# Well below the depth at which the recursion of the JSON and CBOR libraries ends in an error.
DEEPEST = 300

_NAMES = frozenset({"topic", "user", "obo"})
_RANGES = frozenset({"ranges", "delseq"})


def _fits_the_stack(_self: object, _field: object, depth: int) -> None:
    if not 1 <= depth <= DEEPEST:
        raise ValueError(f"limits.depth must be between 1 and {DEEPEST}, not {depth}")


@attrs.frozen(cache_hash=True)
class WireLimits:
    """Bounds of one packet; all are inclusive. Lengths of texts are counted in characters.

    - `message_size`: bytes of a packet. A CBOR packet must also fit as JSON text, because that
      is what is stored and sent on.
    - `depth`: nesting of arrays and objects, the packet's own braces included.
    - `array_length`: items of an array; `ranges_length`: of `ranges` and `delseq`.
    - `id_length`: of `id`; `name_length`: of `topic`, `user`, `obo`; `text_length`: of all other
      texts, and bytes of a secret.
    - `number`: the highest integer; the lowest is `-number - 1`.
    """

    message_size: int = 131_072
    depth: int = attrs.field(default=256, validator=_fits_the_stack)
    array_length: int = 1024
    ranges_length: int = 4096
    id_length: int = 256
    name_length: int = 64
    text_length: int = 4096
    number: int = 2**31 - 1

    @property
    def lowest(self) -> int:
        """The lowest integer."""
        return -self.number - 1

    def text(self, member: str) -> int:
        """The greatest length of a text, by the member's name on the wire."""
        if member == "id":
            return self.id_length
        return self.name_length if member in _NAMES else self.text_length

    def items(self, member: str) -> int:
        """The greatest number of items, by the member's name on the wire."""
        return self.ranges_length if member in _RANGES else self.array_length


class Malformed(ValueError):
    """A packet that cannot be read; `reason` says why, for logs, and quotes no content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotUtf8(Malformed):
    """Text that is not UTF-8: a websocket is closed with 1007 for it."""
