"""What the example bot believes, and how it behaves towards a server."""

from __future__ import annotations

import json
import threading
from typing import Dict, List

import httpx
import persistence_bot
import pytest

from foretoken import Client, Outcome, ProblemError, Retry


def outcomes(text: str) -> List[Outcome]:
    """`u`p, `d`own and `v`oid, newest first."""
    names = {"u": "up", "d": "down", "v": "void"}
    return [Outcome(round=f"r{i}", outcome=names[letter]) for i, letter in enumerate(text)]


def test_what_it_believes() -> None:
    assert persistence_bot.forecast([]) == 0.5
    assert persistence_bot.forecast(outcomes("v")) == 0.5
    assert persistence_bot.forecast(outcomes("u")) == 0.5
    assert persistence_bot.forecast(outcomes("uu")) == pytest.approx(51 / 101)
    assert persistence_bot.forecast(outcomes("dd")) == pytest.approx(50 / 101)
    assert persistence_bot.forecast(outcomes("uvu")) == pytest.approx(51 / 101)
    assert persistence_bot.forecast(outcomes("u" * 901)) == pytest.approx(950 / 1000)
    assert persistence_bot.forecast(outcomes("du" * 450 + "d")) == pytest.approx(950 / 1000)


class Server:
    """The few answers that the bot needs. The market clock stands at 1,000 s."""

    def __init__(self) -> None:
        self.history = "uu"
        self.deadlines_s = {"near": 1_060, "far": 1_360, "closing": 1_000}
        self.posted: Dict[str, List[float]] = {}
        self.late: List[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path[len("/api/v1") :]
        if path == "/time":
            return httpx.Response(200, json={"now_us": 1_000_000_000, "speed": 1.0})
        if path == "/rounds":
            return httpx.Response(200, json={"rounds": [self.round(name) for name in self.deadlines_s]})
        if path.endswith("/outcomes"):
            rows = [{"round": row.round, "outcome": row.outcome} for row in outcomes(self.history)]
            return httpx.Response(200, json={"outcomes": rows})
        _, _, round_id, _, model = path.split("/")
        return self.put(round_id, model, json.loads(request.content))

    def round(self, name: str) -> Dict[str, object]:
        deadline_us = self.deadlines_s[name] * 1_000_000
        moments = {"opens_us": 0, "deadline_us": deadline_us, "start_us": deadline_us, "end_us": deadline_us}
        return {"id": name, "tournament": "t", "state": "open", "outcome": None, **moments}

    def put(self, round_id: str, model: str, body: Dict[str, object]) -> httpx.Response:
        if round_id in self.late:
            return httpx.Response(409, json={"code": "late", "detail": "Late.", "missed_ms": 3})
        p = float(str(body["p"]))
        self.posted.setdefault(round_id, []).append(p)
        receipt = {
            "round": round_id,
            "model": model,
            "p_ppm": round(p * 1e6),
            "posted_ppm": round(p * 1e6),
            "clamped": False,
            "stake": body.get("stake"),
            "sequence": 1,
            "received_at": "2024-03-05T11:55:00Z",
            "ms_to_deadline": 60_000,
            "hash": "0x01",
            "signature": "0x02",
        }
        return httpx.Response(200, json=receipt)


def bot_of(server: Server) -> persistence_bot.Bot:
    transport = httpx.MockTransport(server)
    client = Client("http://server", "ftk_1", retry=Retry(first_s=0.0), http_transport=transport)
    return persistence_bot.Bot(client, "t", "m", "10", threading.Event())


def test_it_posts_once_for_each_round_in_time() -> None:
    server = Server()
    bot = bot_of(server)
    bot.look()
    bot.look()
    assert {name: len(posts) for name, posts in server.posted.items()} == {"near": 1, "far": 1}
    assert bot.rounds_posted == 2


def test_it_posts_again_when_an_outcome_changes_its_mind() -> None:
    server = Server()
    bot = bot_of(server)
    bot.look()
    server.history = "duu"
    bot.look()
    assert [len(posts) for posts in server.posted.values()] == [2, 2]
    first, second = server.posted["near"]
    assert first > 0.5 and second == pytest.approx(1 - 51 / 102)
    assert bot.rounds_posted == 2


def test_a_late_round_does_not_keep_it_from_the_next() -> None:
    server = Server()
    server.late = ["near"]
    bot = bot_of(server)
    bot.look()
    assert list(server.posted) == ["far"]


def test_a_refused_key_ends_it() -> None:
    refused = {"code": "key-revoked", "detail": "The key is revoked."}
    transport = httpx.MockTransport(lambda request: httpx.Response(401, json=refused))
    client = Client("http://server", "ftk_1", http_transport=transport)
    bot = persistence_bot.Bot(client, "t", "m", None, threading.Event())
    with pytest.raises(ProblemError, match="key-revoked"):
        bot.run(None)
