"""The server's market clock, read once in a while and carried on by the local monotonic clock.

Deadlines are moments of this clock and of no other: the machine's own date may be wrong, and a
replay runs faster than the wall. Nothing is fetched here: `Client.sync_clock` reads the server's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, Sequence

from .errors import ForetokenError


@dataclass(frozen=True)
class Reading:
    """One answer of `/time`, with the monotonic moments of asking and of having the answer."""

    sent_s: float
    back_s: float
    market_us: int
    speed: float


class ServerClock:
    """Market time between readings. `speed` is market seconds per wall second.

    Of several readings the one with the shortest way there and back counts; the server's time
    belongs somewhere into that span, so `error_us` is half of it in market time.
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, resync_s: float = 30.0
    ) -> None:
        self._monotonic = monotonic
        self._resync_s = resync_s
        self._market_us = 0
        self._at_s = 0.0
        self.is_set = False
        self.speed = 1.0
        self.error_us = 0

    def set(self, readings: Sequence[Reading]) -> None:
        """Goes by the best of these readings from now on."""
        best = min(readings, key=lambda reading: reading.back_s - reading.sent_s)
        half_s = (best.back_s - best.sent_s) / 2
        self._market_us = best.market_us
        self._at_s = best.sent_s + half_s
        self.speed = best.speed
        self.error_us = int(half_s * best.speed * 1e6)
        self.is_set = True

    def is_old(self) -> bool:
        """Whether it should be read again."""
        return not self.is_set or self._monotonic() - self._at_s > self._resync_s

    def now_us(self) -> int:
        """Market microseconds since 1970-01-01 UTC, from the last reading."""
        if not self.is_set:
            raise ForetokenError("the server's clock was not read yet: call sync_clock() first")
        return self._market_us + int((self._monotonic() - self._at_s) * self.speed * 1e6)

    def wall_until(self, market_us: int) -> float:
        """Wall seconds until the market clock shows `market_us`; negative when it is past."""
        return (market_us - self.now_us()) / 1e6 / self.speed
