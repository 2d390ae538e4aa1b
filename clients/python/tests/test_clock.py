"""The market clock between readings."""

from __future__ import annotations

from typing import List, Tuple

import httpx
import pytest

from foretoken import Client, ForetokenError, Retry, Unreachable


class Wall:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def clock_at(wall: Wall, speed: float, ways: List[float]) -> Tuple[Client, List[float]]:
    """A client whose server shows 5 s when the wall shows 1,000 s; each reading takes a `way`."""
    readings: List[float] = []

    def read(request: httpx.Request) -> httpx.Response:
        way = ways[len(readings) % len(ways)]
        readings.append(way)
        wall.now_s += way / 2
        market_us = int(5e6 + (wall.now_s - 1_000.0) * speed * 1e6)
        wall.now_s += way / 2
        return httpx.Response(200, json={"now_us": market_us, "speed": speed})

    client = Client("http://server", http_transport=httpx.MockTransport(read), monotonic=wall)
    return client, readings


def test_it_runs_at_the_speed_of_the_server() -> None:
    wall = Wall()
    api, _ = clock_at(wall, 60.0, [0.0])
    assert api.now_us() == 5_000_000
    wall.now_s += 2.0
    assert api.now_us() == 125_000_000
    assert api.wall_until(185_000_000) == pytest.approx(1.0)
    assert api.wall_until(65_000_000) == pytest.approx(-1.0)


def test_the_quickest_of_several_readings_counts() -> None:
    wall = Wall()
    api, readings = clock_at(wall, 1.0, [0.4, 0.02, 0.9])
    api.sync_clock()
    assert readings == [0.4, 0.02, 0.9]
    assert api.clock.error_us == pytest.approx(10_000, abs=1)
    true_us = 5e6 + (wall.now_s - 1_000.0) * 1e6
    assert api.now_us() == pytest.approx(true_us, abs=2)


def test_an_old_reading_is_renewed() -> None:
    wall = Wall()
    api, readings = clock_at(wall, 1.0, [0.0])
    api.now_us()
    wall.now_s += 29.0
    api.now_us()
    assert len(readings) == 3
    wall.now_s += 2.0
    api.now_us()
    assert len(readings) == 6


def test_an_old_reading_is_better_than_none() -> None:
    wall = Wall()
    answers = [httpx.Response(200, json={"now_us": 7_000_000, "speed": 2.0})] * 3

    def read(request: httpx.Request) -> httpx.Response:
        if not answers:
            raise httpx.ConnectError("gone")
        return answers.pop()

    retry = Retry(attempts=1)
    transport = httpx.MockTransport(read)
    with Client("http://server", http_transport=transport, monotonic=wall, retry=retry) as api:
        with pytest.raises(ForetokenError, match="sync_clock"):
            api.clock.now_us()
        api.sync_clock()
        wall.now_s += 100.0
        assert api.now_us() == 207_000_000
        with pytest.raises(Unreachable):
            api.sync_clock()
