"""How many requests a key may make: buckets of tokens, one for each name."""

from __future__ import annotations

from collections import OrderedDict

MOST = 10_000  # buckets kept; the one unused for longest makes room


class Rates:
    """Buckets that hold a second's worth of requests each."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, name: str, rate: int, now: int) -> float:
        """Take one request out of a bucket. 0, or the seconds until there is one to take.

        `rate` is in requests per second, 0 for any number; `now` in milliseconds.
        """
        if not rate:
            return 0.0
        left, at = self._buckets.pop(name, (float(rate), now))
        left = min(float(rate), left + max(now - at, 0) * rate / 1000)
        wait = 0.0 if left >= 1 else (1 - left) / rate
        self._buckets[name] = (left if wait else left - 1, now)
        if len(self._buckets) > MOST:
            self._buckets.popitem(last=False)
        return wait
