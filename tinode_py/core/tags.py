"""Tags: what people and groups are found by (protocol notes, 9.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..changes import ClaimTags
from ..config import Settings

ALIAS = "alias:"
_PREFIXED = re.compile(r"[a-z]\w{1,15}:[-_+.!?#@\w]{1,96}")


def normal(tags: Iterable[str], settings: Settings) -> tuple[str, ...]:
    """Trimmed, lower-cased, sorted, without doubles and without those that break the rules.

    Only the first `limits.tags` of what was asked count.
    """
    limits = settings.limits
    chosen = set()
    for tag in tuple(tags)[: limits.tags]:
        text = tag.strip().lower()
        if limits.min_tag_length <= len(text) <= limits.max_tag_length and text[0].isalnum():
            chosen.add(text)
    return tuple(sorted(chosen))


def namespace(tag: str) -> str:
    head, colon, _ = tag.partition(":")
    return head if colon else ""


def restricted_namespaces(settings: Settings) -> frozenset[str]:
    """Namespaces that only the server writes: of logins and of validated credentials, what
    a service that knows the accounts has for itself, and those that the settings close.
    """
    own = (*settings.auth.rest.tag_namespaces, *settings.tags.restricted)
    return frozenset({"basic", "email", "tel", *own})


def restricted(tags: Iterable[str], settings: Settings) -> tuple[str, ...]:
    closed = restricted_namespaces(settings)
    return tuple(tag for tag in tags if namespace(tag) in closed)


def aliases(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(tag for tag in tags if tag.startswith(ALIAS))


def unique(tags: Iterable[str], settings: Settings) -> tuple[str, ...]:
    """Those of which there is only one holder, a user or a group."""
    single = {"alias", *settings.tags.unique}
    return tuple(tag for tag in tags if namespace(tag) in single)


def claims(owner: str, tags: Iterable[str], settings: Settings) -> tuple[ClaimTags, ...]:
    """What to store before tags that `owner` gets."""
    found = unique(tags, settings)
    return (ClaimTags(owner, found),) if found else ()


def is_prefixed(tag: str) -> bool:
    return _PREFIXED.fullmatch(tag) is not None
