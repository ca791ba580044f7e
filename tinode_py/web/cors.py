"""Pages of other origins: which of them may read answers (`web.cors_origins`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from .head import RequestHead

_DAY = "86400"


def _alike(origins: Iterable[str]) -> frozenset[str]:
    return frozenset(origin.lower().rstrip("/") for origin in origins)


@attrs.frozen
class Cors:
    """`origins` as the settings have them; `*` allows all, without cookies."""

    origins: frozenset[str] = attrs.field(converter=_alike)

    def headers(self, head: RequestHead) -> Mapping[str, str]:
        """What an answer to a page of the request's origin carries."""
        origin = head.header("origin")
        if "*" in self.origins:
            return {"access-control-allow-origin": "*"}
        if not self.origins:
            return {}
        if not origin or origin.lower() not in self.origins:
            return {"vary": "Origin"}
        return {
            "access-control-allow-origin": origin,
            "access-control-allow-credentials": "true",
            "vary": "Origin",
        }

    def preflight(self, head: RequestHead, methods: str) -> Mapping[str, str]:
        """The headers of the answer to OPTIONS."""
        allowed = dict(self.headers(head))
        if "access-control-allow-origin" in allowed:
            wanted = head.header("access-control-request-headers")
            allowed["access-control-allow-methods"] = methods
            allowed["access-control-allow-headers"] = wanted or "*"
            allowed["access-control-max-age"] = _DAY
        return allowed
