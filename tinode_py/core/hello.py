"""{hi}: agreeing on a version, telling the server's limits (protocol notes, 2)."""

from __future__ import annotations

import re
from typing import Any

from ..config import Settings
from .credentials import demands

VERSION = "0.25"
OLDEST = (0, 20)
Version = tuple[int, int, int]
_VERSION = re.compile(r"[vV]?(-?\d{0,4})(?:\.(-?\d{1,4})(?:\.(\d{0,4}).*|-.*)?)?")
_PLATFORMS = {"tinodejs": "web", "tindroid": "android", "tinodios": "ios"}


def parse_version(text: str) -> Version | None:
    """(major, minor, patch); a suffix does not count. None if it is no version."""
    match = _VERSION.fullmatch(text.strip())
    if match is None or not (match[1].lstrip("-") or match[2]):
        return None
    found = int(match[1] or 0), int(match[2] or 0), int(match[3] or 0)
    return found if any(found) else None


def platform(declared: str, user_agent: str) -> str:
    """What kind of client this is, guessed from its name if it does not say."""
    if declared:
        return declared
    name = user_agent.lower()
    return next((kind for prefix, kind in _PLATFORMS.items() if prefix in name), "")


def params(settings: Settings, build: str) -> dict[str, Any]:
    """What the answer to the first {hi} tells about this server (notes, 2.1)."""
    limits = settings.limits
    found: dict[str, Any] = {
        "ver": VERSION,
        "build": build,
        "maxMessageSize": limits.message_size,
        "maxSubscriberCount": limits.topic_subscribers,
        "minTagLength": limits.min_tag_length,
        "maxTagLength": limits.max_tag_length,
        "maxTagCount": limits.tags,
        "maxFileUploadSize": limits.file_size,
        "reqCred": demands(settings),
    }
    if settings.messages.delete_age:
        found["msgDelAge"] = settings.messages.delete_age
    if settings.calls.ice_servers:
        found["iceServers"] = [_ice(server) for server in settings.calls.ice_servers]
        found["callTimeout"] = settings.calls.timeout
    return found


def _ice(server: Any) -> dict[str, Any]:
    found = {"urls": list(server.urls)}
    for name in ("username", "credential", "credential_type"):
        if value := getattr(server, name):
            found[name] = value
    return found
