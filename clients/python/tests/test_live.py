"""The client and the example bot against a real server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Tuple, TypeVar

import httpx
import pytest

from conftest import LiveServer
from foretoken import Client, Dataset, LateError, Model, ProblemError, Retry, Round, Unreachable

PACKAGE = Path(__file__).resolve().parents[1]
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


def test_the_clock_runs_at_the_speed_of_the_replay(live: LiveServer, api: Client) -> None:
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


def bot(live: LiveServer, *more: str) -> subprocess.Popen[str]:
    script = PACKAGE / "examples" / "persistence_bot.py"
    options = ["--server", live.url, "--tournament", TOURNAMENT, *more]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE / "src"), "FORETOKEN_KEY": live.key}
    return subprocess.Popen(
        [sys.executable, str(script), *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_example_bot_posts_in_time(live: LiveServer, api: Client) -> None:
    process = bot(live, "--model", "example bot", "--rounds", "1")
    said, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, said
    assert "before the deadline, receipt" in said
    assert "example bot" in [model.name for model in api.my_models()]


def test_the_example_bot_ends_on_interrupt(live: LiveServer) -> None:
    process = bot(live, "--model", "interrupted bot")
    assert process.stdout is not None
    for line in process.stdout:
        if "at speed" in line:
            break
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, said
    assert "ends with" in said


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
