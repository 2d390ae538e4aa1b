"""The market clock between readings."""

from __future__ import annotations

from typing import List, Tuple

import pytest

from foretoken import ServerClock


class Wall:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def clock_at(wall: Wall, speed: float, ways: List[float]) -> Tuple[ServerClock, List[float]]:
    """A clock whose server shows 5 s when the wall shows 1,000 s; each reading takes a `way`."""
    readings: List[float] = []

    def read() -> Tuple[int, float]:
        way = ways[len(readings) % len(ways)]
        readings.append(way)
        wall.now_s += way / 2
        market_us = int(5e6 + (wall.now_s - 1_000.0) * speed * 1e6)
        wall.now_s += way / 2
        return market_us, speed

    return ServerClock(read, monotonic=wall, resync_s=30.0), readings


def test_it_runs_at_the_speed_of_the_server() -> None:
    wall = Wall()
    clock, _ = clock_at(wall, 60.0, [0.0])
    assert clock.now_us() == 5_000_000
    wall.now_s += 2.0
    assert clock.now_us() == 125_000_000
    assert clock.wall_until(185_000_000) == pytest.approx(1.0)
    assert clock.wall_until(65_000_000) == pytest.approx(-1.0)


def test_the_quickest_of_several_readings_counts() -> None:
    wall = Wall()
    clock, readings = clock_at(wall, 1.0, [0.4, 0.02, 0.9])
    clock.sync()
    assert readings == [0.4, 0.02, 0.9]
    assert clock.error_us == pytest.approx(10_000, abs=1)
    true_us = 5e6 + (wall.now_s - 1_000.0) * 1e6
    assert clock.now_us() == pytest.approx(true_us, abs=2)


def test_an_old_reading_is_renewed() -> None:
    wall = Wall()
    clock, readings = clock_at(wall, 1.0, [0.0])
    clock.now_us()
    wall.now_s += 29.0
    clock.now_us()
    assert len(readings) == 3
    wall.now_s += 2.0
    clock.now_us()
    assert len(readings) == 6
