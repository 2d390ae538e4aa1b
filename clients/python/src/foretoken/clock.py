"""The server's market clock, read once in a while and carried on by the local monotonic clock.

Deadlines are moments of this clock and of no other: the machine's own date may be wrong, and a
replay runs faster than the wall.
"""

from __future__ import annotations

import time
from typing import Callable, Tuple

#: Reads `/time`: (market microseconds, market seconds per wall second).
ReadTime = Callable[[], Tuple[int, float]]

READINGS = 3


class ServerClock:
    """Market time between readings.

    Each synchronisation takes the reading with the shortest way there and back; the server's time
    belongs somewhere into that span, so `error_us` is half of it in market time.
    """

    def __init__(
        self,
        read: ReadTime,
        monotonic: Callable[[], float] = time.monotonic,
        resync_s: float = 30.0,
    ) -> None:
        self._read = read
        self._monotonic = monotonic
        self._resync_s = resync_s
        self._market_us = 0
        self._at = 0.0
        self._is_set = False
        self.speed = 1.0
        self.error_us = 0

    def sync(self) -> None:
        """Reads the server's clock anew."""
        shortest = None
        for _ in range(READINGS):
            sent = self._monotonic()
            market_us, speed = self._read()
            back = self._monotonic()
            if shortest is None or back - sent < shortest:
                shortest = back - sent
                self._market_us = market_us
                self._at = sent + shortest / 2
                self.speed = speed
                self.error_us = int(shortest / 2 * speed * 1e6)
        self._is_set = True

    def now_us(self) -> int:
        """Market microseconds since 1970-01-01 UTC; reads the server's clock when ours is old."""
        if not self._is_set or self._monotonic() - self._at > self._resync_s:
            self.sync()
        elapsed = self._monotonic() - self._at
        return self._market_us + int(elapsed * self.speed * 1e6)

    def wall_until(self, market_us: int) -> float:
        """Wall seconds until the market clock shows `market_us`; negative when it is past."""
        left_us = market_us - self.now_us()
        return left_us / 1e6 / self.speed
