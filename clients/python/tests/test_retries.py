"""What is repeated after a failure, what is not, and when it ends: the same for both clients."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, Callable, Dict, List, Union

import httpx
import pytest

from foretoken import (
    AsyncClient,
    Client,
    ForetokenError,
    OutcomeUnknown,
    Prediction,
    ProblemError,
    RateLimited,
    Retry,
    Round,
    Unreachable,
)

Answer = Union[httpx.Response, Exception]
RECEIPT = {
    "round": "r",
    "model": "m",
    "p_ppm": 500000,
    "posted_ppm": 500000,
    "clamped": False,
    "stake": None,
    "sequence": 1,
    "received_at": "2024-03-05T11:55:00Z",
    "ms_to_deadline": 1000,
    "hash": "0x01",
    "signature": "0x02",
}


def refused(status: int, code: str = "busy", **headers: str) -> httpx.Response:
    body = {"status": status, "code": code, "title": "T", "detail": "D.", "remedy": "R."}
    return httpx.Response(status, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


class Line:
    """Answers in order, the last one for ever; keeps what was asked and how long was waited."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: List[httpx.Request] = []
        self.waited: List[float] = []
        self.now_s = 0.0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/time":
            return httpx.Response(200, json={"now_us": int(self.now_s * 1e6), "speed": 1.0})
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now_s += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    def blocking(self, **more: Any) -> Client:
        more = {"sleep": self.sleep, "monotonic": lambda: self.now_s, **more}
        return Client("http://s", http_transport=httpx.MockTransport(self), **more)

    def asynchronous(self, **more: Any) -> AsyncClient:
        more = {"sleep": self.asleep, "monotonic": lambda: self.now_s, **more}
        return AsyncClient("http://s", http_transport=httpx.MockTransport(self), **more)


def submit(api: Client) -> Any:
    return api.submit("r", "m", 0.5)


def register(api: Client) -> Any:
    return api.create_model("t", "n")


def submit_many(api: Client) -> Any:
    return api.submit_many([Prediction("r", "m", 0.5)])


VERDICTS = {"results": [{"round": "r", "model": "m", "receipt": RECEIPT}]}
MADE = {"id": "m1"}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("act, good", [(submit, RECEIPT), (submit_many, VERDICTS)])
def test_what_passes_is_repeated(act: Callable[[Client], Any], good: Dict[str, Any], status: int) -> None:
    line = Line(refused(status), refused(status), httpx.Response(200, json=good))
    act(line.blocking())
    assert len(line.asked) == 3
    assert len({(request.method, request.url, request.content) for request in line.asked}) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 501])
def test_what_does_not_pass_is_told_at_once(status: int) -> None:
    line = Line(refused(status))
    with pytest.raises(ProblemError) as caught:
        submit(line.blocking())
    assert (caught.value.status, len(line.asked)) == (status, 1)


def test_a_post_without_a_key_is_repeated_only_when_nothing_was_done() -> None:
    unknown: List[Answer] = [
        refused(503),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut"),
    ]
    for answer in unknown:
        line = Line(answer, httpx.Response(201, json=MADE))
        with pytest.raises(ForetokenError):
            register(line.blocking())
        assert len(line.asked) == 1
    undone: List[Answer] = [
        refused(429),
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
    ]
    for answer in undone:
        line = Line(answer, httpx.Response(201, json=MADE))
        assert register(line.blocking()).id == "m1"
        assert len(line.asked) == 2


def test_many_predictions_keep_their_key_over_repetitions_and_not_over_calls() -> None:
    line = Line(httpx.ReadTimeout("slow"), refused(409, "idempotency-in-progress"), httpx.Response(200, json=VERDICTS))
    api = line.blocking()
    (verdict,) = submit_many(api)
    assert verdict.receipt is not None and verdict.problem is None
    submit_many(api)
    keys = [request.headers["idempotency-key"] for request in line.asked]
    assert len(set(keys[:3])) == 1 and keys[3] != keys[0]
    assert all(0 < len(key) <= 64 for key in keys)


def test_a_timeout_is_unknown_and_a_closed_door_is_not() -> None:
    line = Line(httpx.ReadTimeout("slow"), httpx.ConnectError("gone"))
    with pytest.raises(OutcomeUnknown):
        submit(line.blocking())
    for answer in (httpx.ConnectError("gone"), httpx.ConnectTimeout("slow")):
        with pytest.raises(Unreachable) as caught:
            submit(Line(answer).blocking())
        assert not isinstance(caught.value, OutcomeUnknown)
    with pytest.raises(Unreachable) as caught:
        Line(httpx.ReadTimeout("slow")).blocking().tournaments()
    assert not isinstance(caught.value, OutcomeUnknown)


def test_the_server_says_how_long_to_wait() -> None:
    date = "Tue, 05 Mar 2024 12:00:00 GMT"
    later = "Tue, 05 Mar 2024 12:00:03 GMT"
    for headers in ({"retry_after": "3"}, {"retry_after": later, "date": date}):
        line = Line(refused(429, "rate-limited", **headers), httpx.Response(200, json=RECEIPT))
        submit(line.blocking())
        assert len(line.waited) == 1 and 3.0 <= line.waited[0] <= 3.2


def test_a_wait_longer_than_the_budget_is_not_waited_for() -> None:
    line = Line(refused(429, "rate-limited", retry_after="60"))
    with pytest.raises(RateLimited) as caught:
        submit(line.blocking())
    assert (caught.value.retry_after_s, len(line.asked), line.waited) == (60.0, 1, [])


def test_nothing_is_repeated_past_the_deadline() -> None:
    round = Round("r", "t", "open", 0, 1_000_000, 2_000_000, 3_000_000)
    line = Line(refused(503, retry_after="2"))
    with pytest.raises(ProblemError):
        line.blocking().submit(round, "m", 0.5)
    assert (len(line.asked), line.waited) == (1, [])
    line = Line(refused(503))
    with pytest.raises(ProblemError):
        line.blocking(retry=Retry(attempts=1_000, first_s=0.2)).submit(round, "m", 0.5)
    assert 1 < len(line.asked) < 200 and line.now_s <= 1.0
    many = [Prediction(round, "m", 0.5)]
    line = Line(refused(503, retry_after="2"))
    with pytest.raises(ProblemError):
        line.blocking().submit_many(many)
    assert len(line.asked) == 1


def test_a_late_one_of_many_has_its_own_verdict() -> None:
    late = {"status": 409, "code": "late", "title": "", "detail": "Late.", "remedy": "", "missed_ms": 5}
    rows = [{"round": "r", "model": "m", "receipt": RECEIPT}, {"round": "q", "model": "m", "problem": late}]
    line = Line(httpx.Response(200, json={"results": rows}))
    good, bad = line.blocking().submit_many([Prediction("r", "m", 0.5), Prediction("q", "m", 0.5, "1")])
    assert good.receipt is not None and good.receipt.hash == "0x01"
    assert bad.problem is not None and bad.problem.code == "late" and bad.receipt is None


def test_the_asynchronous_client_does_the_same() -> None:
    async def use() -> None:
        line = Line(refused(503), httpx.ReadTimeout("slow"), httpx.Response(200, json=RECEIPT))
        async with line.asynchronous(key="ftk_1") as api:
            assert (await api.submit("r", "m", 0.5)).sequence == 1
            assert await api.now_us() == int(line.now_s * 1e6)
        assert [request.headers["authorization"] for request in line.asked] == ["Bearer ftk_1"] * 3
        line = Line(httpx.ReadTimeout("slow"))
        async with line.asynchronous() as api:
            with pytest.raises(OutcomeUnknown):
                await api.create_model("t", "n")

    asyncio.run(use())


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> Dict[str, object]:
        names = [name for name in vars(kind) if not name.startswith("_")]
        return {
            name: inspect.signature(getattr(kind, name)) if callable(getattr(kind, name)) else None
            for name in names
        }

    assert methods(Client) == methods(AsyncClient)
    assert all(inspect.getdoc(getattr(Client, name)) for name in methods(Client))
