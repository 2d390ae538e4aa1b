"""The client and the example bot against a real server."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Tuple, TypeVar

import httpx
import pytest

from conftest import REPOSITORY, Beside, LiveServer, Program, binary, bot_command
from foretoken import (
    AsyncClient,
    Client,
    Dataset,
    Event,
    LateError,
    Model,
    Prediction,
    ProblemError,
    Retry,
    Round,
    Sealed,
    Unreachable,
)

TOURNAMENT = "btc-usd-5m"
LIMIT_S = 60.0
#: A test that posts several times wants this much left, in wall seconds.
ROOM_S = 2.0
T = TypeVar("T")


def wait_for(what: str, look: Callable[[], Optional[T]]) -> T:
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail(f"{what} did not happen within {LIMIT_S} s")


@pytest.fixture
def api(live: LiveServer) -> Iterator[Client]:
    with Client(live.url, live.key) as client:
        yield client


@pytest.fixture
def model(api: Client) -> Model:
    return api.ensure_model(TOURNAMENT, "sdk model")


def roomy_round(api: Client) -> Round:
    def look() -> Optional[Round]:
        rounds = api.open_rounds(TOURNAMENT)
        return next((r for r in rounds if api.wall_until(r.deadline_us) > ROOM_S), None)

    return wait_for("an open round", look)


def test_the_clock_runs_at_the_speed_of_the_replay(
    live: LiveServer, api: Client, beside: Beside
) -> None:
    api.sync_clock()
    assert api.clock.speed == live.speed
    predicted, (read, _) = api.now_us(), api.time()
    assert abs(read - predicted) < 0.5 * live.speed * 1e6


def test_tournaments_have_their_rules(api: Client) -> None:
    found = {tournament.id: tournament for tournament in api.tournaments()}
    assert found[TOURNAMENT].a == pytest.approx(0.35)
    assert found[TOURNAMENT].interval_s == 300


def test_a_model_is_registered_once(api: Client, model: Model) -> None:
    assert api.ensure_model(TOURNAMENT, "sdk model") == model
    assert model in api.my_models()


def test_predictions_are_stored_replaced_and_clamped(api: Client, model: Model) -> None:
    round = roomy_round(api)
    first = api.submit(round, model.id, 0.53)
    assert (first.round, first.model) == (round.id, model.id)
    assert (first.p_ppm, first.posted_ppm, first.clamped) == (530_000, 530_000, False)
    assert first.ms_to_deadline > 0
    assert api.submit(round, model.id, 0.53).hash == first.hash
    second = api.submit(round.id, model.id, 0.99, stake="1.5")
    assert (second.p_ppm, second.posted_ppm, second.clamped) == (650_000, 990_000, True)
    assert second.stake == "1.5"
    assert second.sequence > first.sequence
    assert api.prediction(round.id, model.id).hash == second.hash


def test_what_is_no_prediction_is_refused(api: Client, model: Model) -> None:
    round = roomy_round(api)
    for p in (1.5, -0.1):
        with pytest.raises(ProblemError) as caught:
            api.submit(round, model.id, p)
        assert (caught.value.status, caught.value.code) == (422, "probability-out-of-range")
    with pytest.raises(ProblemError) as caught:
        api.submit(round, model.id, 0.5, stake="a lot")
    assert (caught.value.status, caught.value.code) == (422, "stake-not-an-amount")
    for round_id, model_id, code in [
        ("btc-usd-5m-20990101T0000Z", model.id, "unknown-round"),
        (round.id, "nobody", "unknown-model"),
    ]:
        with pytest.raises(ProblemError) as caught:
            api.submit(round_id, model_id, 0.5)
        assert (caught.value.status, caught.value.code) == (404, code)
        assert caught.value.remedy


@pytest.mark.parametrize("key", ["nonsense", None])
def test_without_a_right_key_nothing_is_posted(live: LiveServer, model: Model, key: Optional[str]) -> None:
    with Client(live.url, key) as stranger:
        with pytest.raises(ProblemError) as caught:
            stranger.submit(roomy_round(stranger), model.id, 0.5)
    assert caught.value.status == 401
    assert caught.value.code.startswith("key-")


def test_a_late_prediction_is_told_by_how_much(api: Client, model: Model) -> None:
    round = roomy_round(api)
    wait_for("the deadline", lambda: api.wall_until(round.deadline_us) < -0.1)
    with pytest.raises(LateError) as caught:
        api.submit(round, model.id, 0.5)
    assert caught.value.missed_ms is not None and caught.value.missed_ms > 0


def test_a_round_ends_with_an_outcome(api: Client) -> None:
    newest = wait_for("an outcome", lambda: api.outcomes(TOURNAMENT, 1))[0]
    assert newest.outcome in ("up", "down", "void")
    assert api.round(newest.round)["outcome"] == newest.outcome


def test_sealed_predictions_are_revealed(api: Client, model: Model) -> None:
    round = roomy_round(api)
    hidden = api.seal_prediction(round, model.id, 0.6, "2.5")
    sealed = api.submit_seal(hidden)
    assert (sealed.seal, sealed.p_ppm, sealed.posted_ppm) == (hidden.seal, None, None)
    with pytest.raises(ProblemError) as caught:
        api.reveal(replace(hidden, p_ppm=610_000))
    assert caught.value.code == "seal-not-opened"
    opened = api.reveal(Sealed.from_json(hidden.to_json()))
    assert (opened.posted_ppm, opened.stake) == (600_000, "2.5")


def test_many_predictions_have_verdicts_of_their_own(api: Client, model: Model) -> None:
    round = roomy_round(api)
    items = [Prediction(round, model.id, 0.51), Prediction("btc-usd-5m-20990101T0000Z", model.id, 0.5)]
    good, bad = api.submit_many(items, idempotency_key="sdk-1")
    assert good.receipt is not None and good.receipt.posted_ppm == 510_000
    assert bad.problem is not None and (bad.problem.code, bad.problem.status) == ("unknown-round", 404)
    again, _ = api.submit_many(items, idempotency_key="sdk-1")
    assert again.receipt is not None and again.receipt.hash == good.receipt.hash
    with pytest.raises(ProblemError) as caught:
        api.submit_many(items[:1], idempotency_key="sdk-1")
    assert caught.value.code == "idempotency-key-reused"


def test_the_asynchronous_client_predicts_too(live: LiveServer, api: Client, model: Model) -> None:
    round = roomy_round(api)

    async def use() -> None:
        async with AsyncClient(live.url, live.key) as client:
            receipts = await asyncio.gather(*(client.submit(round, model.id, 0.55) for _ in range(4)))
            assert len({receipt.hash for receipt in receipts}) == 1
            life = await client.life(round, model.id)
            assert life["state"] == "received"
            assert [row.id for row in await client.next_rounds([TOURNAMENT])]

    asyncio.run(use())


def test_what_can_be_read(api: Client, model: Model) -> None:
    candles = api.candles(TOURNAMENT, limit=10)
    assert candles.to_polars().shape[0] == 10 and candles.next_before
    older = api.candles(TOURNAMENT, limit=10, before=candles.next_before).to_pandas()
    assert older["open_at"].max() < candles.to_pandas()["open_at"].min()
    assert older["close"].dtype == float
    assert api.leaderboard(TOURNAMENT).to_pandas().shape[0] > 0
    assert api.stake(model.id)["free"] == "0"
    assert api.account()["account"]["name"] == "sdk tests"
    rounds = api.next_rounds([TOURNAMENT], limit=3)
    assert 1 <= len(rounds) <= 3 and rounds[0].features_us is not None
    posted = api.submit(roomy_round(api), model.id, 0.5)
    newest = api.predictions(model.id, limit=1)
    assert newest[0]["round"] == posted.round and newest[0]["receipt"]["hash"] == posted.hash


def test_keys_are_made_rotated_and_revoked(live: LiveServer, api: Client) -> None:
    made = api.create_key("for reading", ["read"])
    assert made.key not in repr(made)
    with Client(live.url, made.key) as reader:
        assert reader.account()["key"]["scopes"] == ["read"]
        with pytest.raises(ProblemError) as caught:
            reader.create_model(TOURNAMENT, "not allowed")
        assert caught.value.code == "scope-missing"
        turned = api.rotate_key(made.key_id)
        reader.account()
        api.revoke_key(made.key_id)
        with pytest.raises(ProblemError) as caught:
            reader.account()
        assert caught.value.code == "key-revoked"
        reader.use_key(turned.key)
        reader.account()
    assert {made.key_id, turned.key_id} <= {row["id"] for row in api.keys()["keys"]}


def test_events_go_on_where_they_were_left(live: LiveServer, api: Client) -> None:
    first = next(event for event in api.events([TOURNAMENT]) if event.sequence)
    second = next(event for event in api.events([TOURNAMENT], after=first.sequence) if event.sequence)
    assert first.sequence is not None and second.sequence is not None
    assert second.sequence > first.sequence
    told = [event["sequence"] for event in api.recent_events(first.sequence - 1)["events"]]
    assert told[0] == first.sequence

    async def follow() -> Event:
        async with AsyncClient(live.url, live.key) as client:
            async for event in client.events([TOURNAMENT], after=first.sequence):
                if event.sequence:
                    return event
        raise AssertionError("the stream ended")

    assert asyncio.run(follow()) == second


def test_webhooks_are_made_and_ended(api: Client) -> None:
    made = api.create_webhook("https://example.com/hook", [TOURNAMENT], ["model.paused"])
    assert made["secret"].startswith("whsec_")
    assert api.rotate_webhook(made["id"])["secret"] != made["secret"]
    assert api.webhook(made["id"])["url"] == "https://example.com/hook"
    assert made["id"] in [row["id"] for row in api.webhooks()["webhooks"]]
    assert api.deliveries(made["id"])["deliveries"] == []
    api.delete_webhook(made["id"])
    with pytest.raises(ProblemError) as caught:
        api.webhook(made["id"])
    assert caught.value.status == 404


def test_a_model_file_is_checked_without_a_key(live: LiveServer) -> None:
    content = (REPOSITORY / "datasets" / "models" / "logistic.onnx").read_bytes()
    with Client(live.url) as stranger:
        card = stranger.check_model(content)
        assert (card.accepted, card.by) == (True, "server"), card.report
        assert not stranger.check_model(b"no model").accepted


def test_the_notebook_ends_with_a_scored_submission(beside: Beside) -> None:
    said = beside.notebook.end(LIMIT_S)
    assert "s before the deadline" in said
    assert "scored" in said or "void" in said


def test_the_bot_learns_predicts_and_tells_the_results(beside: Beside) -> None:
    wanted = ("opened the account bot-of-the-tests", "learned dataset", "by features", "skill")
    wait_for("all that the bot does", lambda: all(text in beside.bot.said() for text in wanted))
    said = beside.bot.stop(LIMIT_S)
    assert "ends with" in said or "told to stop" in said
    folder = beside.bot_folder
    assert ((folder / "key").stat().st_mode & 0o777) == 0o600
    receipts = [line for file in (folder / "receipts").iterdir() for line in file.read_text().splitlines()]
    assert len(receipts) == said.count(": receipt ")


def test_the_bot_goes_on_after_a_restart(beside: Beside, live: LiveServer, tmp_path: Path) -> None:
    if beside.bot.process.poll() is None:
        wait_for("a model", lambda: "learned dataset" in beside.bot.said())
        beside.bot.stop(LIMIT_S)
    again = Program(bot_command(live, beside.bot_folder), tmp_path / "again.log", tmp_path)
    try:
        wait_for("a prediction", lambda: ": receipt " in again.said())
        said = again.stop(LIMIT_S)
    finally:
        again.close()
    assert "is kept from before" in said
    assert "opened the account" not in said


def test_the_rust_bot_posts_in_time(live: LiveServer, tmp_path: Path) -> None:
    command = [str(binary().with_name("example-bot")), "--server", live.url, "--forecasts", "1"]
    bot = Program(command, tmp_path / "rust.log", tmp_path, FORETOKEN_KEY=live.key)
    try:
        assert "ms early" in bot.end(LIMIT_S)
    finally:
        bot.close()


class Line(httpx.BaseTransport):
    """The line to the server, dead for good after so many bytes of dataset files, and what went over it."""

    def __init__(self, left: Optional[int] = None) -> None:
        self.left = left
        #: Path, range that was asked for, status and bytes of each file's answer.
        self.answers: List[Tuple[str, Optional[str], int, int]] = []
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        if not request.url.path.startswith("/datasets/files/"):
            return answer
        assert isinstance(answer.stream, httpx.SyncByteStream)
        stream = Counted(answer.stream, self, request, answer.status_code)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream)

    def close(self) -> None:
        self._inner.close()


class Counted(httpx.SyncByteStream):
    """A body whose bytes its line counts, and cuts off."""

    def __init__(self, inner: httpx.SyncByteStream, line: Line, request: httpx.Request, status: int) -> None:
        self._inner, self._line, self._status = inner, line, status
        self._path, self._range = request.url.path, request.headers.get("range")

    def __iter__(self) -> Iterator[bytes]:
        came = 0
        for chunk in self._inner:
            left = self._line.left
            passed = chunk if left is None else chunk[:left]
            came += len(passed)
            if passed:
                yield passed
            if left is not None:
                self._line.left = left - len(passed)
                if len(passed) < len(chunk):
                    raise httpx.ReadError("the line is dead")
        self._line.answers.append((self._path, self._range, self._status, came))

    def close(self) -> None:
        self._inner.close()


def published(api: Client, folder: Path) -> Dataset:
    """The newest version, in `folder`."""

    def look() -> Optional[Dataset]:
        try:
            return api.download_dataset(folder)
        except ProblemError as problem:
            # The server publishes its first version a while after it starts.
            if problem.code != "unknown-dataset":
                raise
            return None

    return wait_for("a published dataset", look)


def test_the_newest_dataset_is_fetched_once(api: Client, tmp_path: Path) -> None:
    first = published(api, tmp_path)
    again = api.download_dataset(tmp_path, first.version)
    assert (again.fetched, again.kept) == ([], first.fetched + first.kept)
    for asset in ("btc", "eth"):
        for part in ("train", "validation", "live"):
            files = again.files(asset, part)
            assert files and all(file.read_bytes()[:4] == b"PAR1" for file in files)


def test_an_interrupted_download_goes_on_where_it_broke_off(
    live: LiveServer, api: Client, tmp_path: Path
) -> None:
    whole = published(api, tmp_path / "whole")
    entries = whole.manifest["files"]
    largest = max(range(len(entries)), key=lambda at: entries[at]["bytes"])
    path, size = entries[largest]["path"], entries[largest]["bytes"]
    folder = tmp_path / "broken"
    dying = Line(sum(entry["bytes"] for entry in entries[:largest]) + size // 2)
    with Client(live.url, live.key, retry=Retry(attempts=1), http_transport=dying) as client:
        with pytest.raises(Unreachable):
            client.download_dataset(folder, whole.version)
    assert [part.relative_to(folder).as_posix() for part in folder.rglob("*.part")] == [path + ".part"]
    have = (folder / (path + ".part")).stat().st_size
    assert have == size // 2
    assert not (folder / "manifest.json").exists()

    line = Line()
    with Client(live.url, live.key, http_transport=line) as client:
        resumed = client.download_dataset(folder, whole.version)
    paths = [entry["path"] for entry in entries]
    assert (resumed.kept, resumed.fetched) == (paths[:largest], paths[largest:])
    assert line.answers[0] == (
        f"/datasets/files/{whole.version}/{path}",
        f"bytes={have}-",
        206,
        size - have,
    )
    assert all(status == 200 and asked is None for _, asked, status, _ in line.answers[1:])
    for one in paths:
        assert (folder / one).read_bytes() == (whole.folder / one).read_bytes()
    assert not list(folder.rglob("*.part"))
