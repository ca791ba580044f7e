"""The texts of letters, by purpose and language.

A template is a file `<purpose>.<language>.txt`: the subject, an empty line, the text, with
`$code`, `$address`, `$service` and `$minutes`. An operator's own folder goes before ours; a
language that is missing in both falls back to English.
"""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

_LANGUAGE = re.compile(r"[a-z]{2,3}")


def render(purpose: str, language: str, folder: str, values: dict[str, str]) -> tuple[str, str]:
    """Subject and text."""
    template = Template(_text(purpose, language, folder))
    subject, _, body = template.safe_substitute(values).partition("\n")
    return subject.strip(), body.lstrip("\n")


def _text(purpose: str, language: str, folder: str) -> str:
    match = _LANGUAGE.match(language.lower())  # what a client sends never becomes a path
    wanted = [match[0]] if match else []
    places: list[Traversable] = [Path(folder)] if folder else []
    places.append(files(__package__) / "templates")
    for tongue in (*wanted, "en"):
        for place in places:
            file = place / f"{purpose}.{tongue}.txt"
            if file.is_file():
                return file.read_text("utf-8")
    raise FileNotFoundError(f"no template for {purpose!r}")
