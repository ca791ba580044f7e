"""Names for emoji that can be typed: `:smile:` is sent as the character."""

from __future__ import annotations

import re

EMOJI = {
    "smile": "😄", "laugh": "😂", "wink": "😉", "heart": "❤️", "kiss": "😘", "cool": "😎",
    "think": "🤔", "cry": "😢", "angry": "😠", "shock": "😱", "sleep": "😴", "sick": "🤒",
    "thumbsup": "👍", "thumbsdown": "👎", "ok": "👌", "clap": "👏", "wave": "👋", "pray": "🙏",
    "strong": "💪", "eyes": "👀", "fire": "🔥", "star": "⭐", "sun": "☀️", "rain": "🌧️",
    "coffee": "☕", "beer": "🍺", "cake": "🎂", "gift": "🎁", "party": "🎉", "rocket": "🚀",
    "bug": "🐛", "cat": "🐱", "dog": "🐶", "tree": "🌳", "rose": "🌹", "check": "✅",
}  # fmt: skip
PAGE = 12
_NAME = re.compile(r":(\w+):")


def with_emoji(text: str) -> str:
    """The text with names between colons replaced where they are known."""
    return _NAME.sub(lambda found: EMOJI.get(found[1], found[0]), text)


def page(number: int) -> list[str]:
    """A page of the table, the first one is 1; empty beyond the last."""
    names = list(EMOJI.items())[(number - 1) * PAGE : number * PAGE]
    return [f"{character} :{name}:" for name, character in names]
