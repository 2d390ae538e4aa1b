"""The bot's parts: what it believes, what it keeps, what it learns, and how it behaves."""

from __future__ import annotations

import json
import logging
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, List, Tuple

import httpx
import numpy
import polars
import pytest

from foretoken import Client, Dataset, ForetokenError, Outcome, ProblemError, Retry, Unreachable
from foretoken.bot import __main__ as command
from foretoken.bot import learner
from foretoken.bot.folder import Folder
from foretoken.bot.nightly import Trainer
from foretoken.bot.options import options
from foretoken.bot.player import Player, persistence


def outcomes(text: str) -> List[Outcome]:
    """`u`p, `d`own and `v`oid, newest first."""
    names = {"u": "up", "d": "down", "v": "void"}
    return [Outcome(round=f"r{i}", outcome=names[letter]) for i, letter in enumerate(text)]


def test_what_it_believes_of_the_history() -> None:
    assert persistence([]) == 0.5
    assert persistence(outcomes("v")) == 0.5
    assert persistence(outcomes("u")) == 0.5
    assert persistence(outcomes("uu")) == pytest.approx(51 / 101)
    assert persistence(outcomes("dd")) == pytest.approx(50 / 101)
    assert persistence(outcomes("uvu")) == pytest.approx(51 / 101)
    assert persistence(outcomes("u" * 901)) == pytest.approx(950 / 1000)
    assert persistence(outcomes("du" * 450 + "d")) == pytest.approx(950 / 1000)


def test_its_key_is_for_its_user_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "bot")
    assert folder.key() is None and folder.memory() == {}
    folder.keep_key("ftk_1")
    folder.keep_key("ftk_2")
    folder.keep({"said": {"m": {"r": {"p_ppm": 1}}}})
    folder.add_receipt({"received_at": "2024-03-05T11:55:00Z", "sequence": 1})
    assert (folder.path.stat().st_mode & 0o777) == 0o700
    for path in folder.path.rglob("*"):
        assert path.is_dir() or (path.stat().st_mode & 0o777) == 0o600, path
    with pytest.raises(ForetokenError, match="another bot"):
        Folder(tmp_path / "bot")
    folder.close()
    again = Folder(tmp_path / "bot")
    assert again.key() == "ftk_2"
    assert (again.path / "key.old").read_text() == "ftk_1\n"
    assert again.memory() == {"said": {"m": {"r": {"p_ppm": 1}}}}
    again.close()


def dataset(folder: Path, strength: float) -> Dataset:
    """Two features, the first of which tells of the target with this strength."""
    draw = numpy.random.default_rng(7)
    files = []
    for part, count in (("train", 4_000), ("validation", 1_500)):
        x = draw.normal(size=(count, 2)).astype("float32")
        p = 1 / (1 + numpy.exp(-strength * x[:, 0]))
        target = (draw.random(count) < p).astype("float64")
        polars.DataFrame({"a": x[:, 0], "b": x[:, 1], "target": target}).write_parquet(folder / part)
        files.append({"path": part, "rows": {"asset": "btc", "part": part}})
    columns = [{"name": "id", "type": "string"}] + [{"name": n, "type": "float32"} for n in "ab"]
    return Dataset("1.1.0-20240305", folder, {"files": files, "columns": columns}, [], [])


def test_it_learns_what_is_there_and_nothing_from_noise(tmp_path: Path) -> None:
    model = learner.train(dataset(tmp_path, 1.0))
    assert model.skill > 0.02
    assert model.probability(["b", "a"], [0.0, 1.0]) == pytest.approx(0.73, abs=0.05)
    model.save(tmp_path / "model.npz")
    kept = learner.load(tmp_path / "model.npz")
    assert kept.probability(["a", "b"], [1.0, 0.0]) == model.probability(["a", "b"], [1.0, 0.0])
    assert (kept.version, kept.names, kept.skill) == ("1.1.0-20240305", ("a", "b"), model.skill)
    with pytest.raises(ForetokenError, match="no feature 'b'"):
        kept.probability(["a"], [1.0])
    noise = learner.train(dataset(tmp_path, 0.0))
    assert noise.probability(["a", "b"], [3.0, -3.0]) == pytest.approx(0.5, abs=0.04)


class Server:
    """The few answers that a player needs; its market clock is moved by hand."""

    def __init__(self) -> None:
        self.now_us = 1_000_000_000
        self.posted: List[Tuple[str, float]] = []
        self.deadlines_s = {"a": 1_060, "b": 1_360}
        self.refused: Dict[str, str] = {}
        self.lives: List[Dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path[len("/api/v1") :]
        if path == "/time":
            return httpx.Response(200, json={"now_us": self.now_us, "speed": 1.0})
        if path == "/rounds/next":
            rounds = [self.round(name) for name in self.deadlines_s]
            return httpx.Response(200, json={"rounds": rounds})
        if path.endswith("/outcomes"):
            rows = [{"round": row.round, "outcome": row.outcome} for row in outcomes("uu")]
            return httpx.Response(200, json={"outcomes": rows})
        if path == "/predictions":
            return httpx.Response(200, json={"predictions": self.lives, "next_before": None})
        round_id = path.split("/")[2]
        if path.endswith("/features"):
            row = {"round": round_id, "names": ["x"], "values": [2.0], "digest": "d"}
            return httpx.Response(200, json=row)
        if round_id in self.refused:
            code = self.refused[round_id]
            return httpx.Response(409, json={"code": code, "detail": "No.", "missed_ms": 3})
        p = json.loads(request.content)["p"]
        self.posted.append((round_id, p))
        return httpx.Response(200, json=self.receipt(round_id, p))

    def round(self, name: str) -> Dict[str, object]:
        deadline_us = self.deadlines_s[name] * 1_000_000
        opens_us = deadline_us - 100_000_000
        return {
            "id": name, "tournament": "t", "state": "open" if opens_us <= self.now_us else "scheduled",
            "outcome": None, "opens_us": opens_us, "features_us": deadline_us - 50_000_000,
            "deadline_us": deadline_us, "start_us": deadline_us, "end_us": deadline_us,
        }  # fmt: skip

    @staticmethod
    def receipt(round_id: str, p: float) -> Dict[str, object]:
        return {
            "round": round_id, "model": "m", "p_ppm": round(p * 1e6), "posted_ppm": round(p * 1e6),
            "clamped": False, "stake": None, "stake_counted": "0", "seal": None, "sequence": 1,
            "received_at": "2024-03-05T11:55:00Z", "ms_to_deadline": 60_000, "hash": "0x01",
            "signature": "0x02", "notices": [{"code": "unstaked", "detail": "D.", "remedy": "R."}],
        }  # fmt: skip

    def player(self, folder: Folder, is_trained: bool = True) -> Player:
        transport = httpx.MockTransport(self)
        client = Client("http://s", "ftk_1", retry=Retry(first_s=0.0), http_transport=transport)
        model = SimpleNamespace(probability=lambda names, values: 0.6)
        trainer: Any = SimpleNamespace(model=model) if is_trained else None
        return Player(client, folder, "t", "m", None, trainer)


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    made = Folder(tmp_path)
    yield made
    made.close()


def test_it_speaks_as_a_round_opens_and_again_when_the_features_are_there(folder: Folder) -> None:
    server = Server()
    player = server.player(folder)
    until_s = player.look()
    assert server.posted == [("a", pytest.approx(51 / 101))]
    assert until_s == pytest.approx(10.0, abs=0.5)
    player.look()
    assert len(server.posted) == 1
    # The clock is read again by a new client: a restart, which goes on where the first one was.
    server.now_us = 1_010_000_000
    player = server.player(folder)
    player.look()
    player.look()
    assert server.posted[1:] == [("a", 0.6)]
    assert player.rounds == 0
    assert len((folder.path / "receipts" / "2024-03-05.jsonl").read_text().splitlines()) == 2


def test_without_a_model_the_history_is_all(folder: Folder) -> None:
    server = Server()
    server.now_us = 1_020_000_000
    server.player(folder, is_trained=False).look()
    assert server.posted == [("a", pytest.approx(51 / 101))]


def test_a_refused_round_does_not_keep_it_from_the_next(folder: Folder) -> None:
    server = Server()
    server.deadlines_s["b"] = 1_070
    for code in ("late", "round-not-open"):
        server.refused = {"a": code}
        server.posted.clear()
        (folder.path / "memory.json").unlink(missing_ok=True)
        server.player(folder).look()
        assert [round_id for round_id, _ in server.posted] == ["b"]


def test_it_tells_once_what_came_of_a_round(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    server.player(folder).look()
    score = {"correct": True, "brier": 0.76, "skill_half": 0.01}
    server.lives = [
        {"round": "a", "state": "scored", "outcome": "up", "score": score, "payout": "0.25"},
        {"round": "z", "state": "scored", "outcome": "up", "score": score, "payout": None},
    ]
    server.now_us = 2_000_000_000
    player = server.player(folder)
    with caplog.at_level(logging.INFO, "foretoken.bot"):
        player.look()
    assert "a: up, right, Brier 0.7600, skill +0.0100, payout 0.25" in caplog.text
    assert player.results == 1
    again = server.player(folder)
    again.look()
    assert again.results == 0


def test_a_refused_key_ends_it(folder: Folder) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"code": "key-revoked", "detail": "The key is revoked."})

    with Client("http://server", "ftk_1", http_transport=httpx.MockTransport(refuse)) as client:
        with pytest.raises(ProblemError, match="key-revoked"):
            Player(client, folder, "t", "m", None, None).look()


def test_a_server_that_restarts_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Restarting:
        rounds, results, looks = 0, 0, 0

        def look(self) -> float:
            self.looks += 1
            if self.looks == 1:
                raise Unreachable("gone")
            if self.looks == 2:
                raise ProblemError(503, "stopping", "", "", "", retry_after_s=2.0)
            self.rounds = 1
            return 0.0

    waited: List[float] = []
    stop = command.Stop()
    monkeypatch.setattr(stop, "wait", lambda seconds: waited.append(seconds))
    player: Any = Restarting()
    command.rounds(player, stop, options(["--rounds", "1"]))
    assert player.looks == 3
    assert 0.5 <= waited[0] <= 1.0 and waited[1] == 2.0


def test_a_forgotten_key_is_put_aside_and_a_revoked_one_is_not(folder: Folder) -> None:
    code = "key-unknown"

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/accounts"):
            body = {"account": {"id": "new"}, "key": "ftk_new", "key_id": "new", "scopes": ["read"]}
            return httpx.Response(201, json=body)
        return httpx.Response(401, json={"code": code, "detail": "No."})

    folder.keep_key("ftk_old")
    args = options(["--key", ""])
    with Client("http://s", http_transport=httpx.MockTransport(answer)) as client:
        assert command.sign_in(client, folder, args) == "ftk_new"
        assert (folder.key(), (folder.path / "key.old").read_text()) == ("ftk_new", "ftk_old\n")
        code = "key-revoked"
        with pytest.raises(ProblemError, match="key-revoked"):
            command.sign_in(client, folder, args)
    assert folder.key() == "ftk_new"


def test_without_numpy_it_plays_by_the_history(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "foretoken.bot.learner", None)
    monkeypatch.delattr("foretoken.bot.learner")
    trainer = Trainer(lambda: pytest.fail("connected"), folder, threading.Event())
    assert not trainer.start()
    assert "pip install 'foretoken[bot]'" in caplog.text


def test_wrong_words_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--rounds", "0"], ["--nonsense"]):
        with pytest.raises(SystemExit) as caught:
            options(words)
        assert caught.value.code == 64
    with pytest.raises(SystemExit) as caught:
        options(["--help"])
    assert caught.value.code == 0
    assert "--folder" in capsys.readouterr().out
