"""The stream of events: its format, and going on where it broke off."""

from __future__ import annotations

import asyncio
import json
from typing import Any, AsyncIterator, Iterator, List

import httpx
import pytest

from foretoken import AsyncClient, Client, Event, ProblemError
from foretoken.events import Decoder


def told(sequence: int, kind: str = "round.open") -> bytes:
    body = {"sequence": sequence, "type": kind, "tournament": "t", "round": "r", "at_us": 5}
    return f"id: {sequence}\nevent: {kind}\ndata: {json.dumps(body)}\n\n".encode()


HELLO = b'retry: 10\n\nevent: hello\ndata: {"newest": 9, "now_us": 1}\n\n: heartbeat\n\n'


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Pieces, then the end of the line: a clean one or a dead one."""

    def __init__(self, pieces: List[bytes], is_clean: bool) -> None:
        self.pieces, self.is_clean = pieces, is_clean

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if not self.is_clean:
            raise httpx.ReadError("the line is dead")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class Server:
    """Breaks off again and again; keeps behind which event it was asked to go on."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.after: List[str] = []
        self.params: List[str] = []
        self.waited: List[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/v1/events"
        self.after.append(request.headers.get("last-event-id", "-"))
        self.params.append(request.url.query.decode())
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, stream=answer, headers={"content-type": "text/event-stream"})

    def client(self) -> Client:
        return Client("http://s", http_transport=httpx.MockTransport(self), sleep=self.waited.append)


def test_messages_are_read_however_they_are_cut() -> None:
    text = HELLO + told(1) + "data: zwei\r\ndata: Zeilen ü\r\n\r\n".encode() + told(2)
    for size in (1, 2, 7, len(text)):
        decoder = Decoder()
        frames = [f for at in range(0, len(text), size) for f in decoder.feed(text[at : at + size])]
        assert [frame.event for frame in frames] == ["message", "hello", "round.open", "message", "round.open"]
        assert [frame.id for frame in frames] == [None, None, "1", None, "2"]
        assert frames[0].retry_ms == 10
        assert frames[3].data == "zwei\nZeilen ü"


def test_it_goes_on_behind_the_last_event_and_gives_each_once() -> None:
    server = Server(
        Body([HELLO, told(4), told(5)[:20]], is_clean=False),
        httpx.ConnectError("restarting"),
        httpx.Response(503, json={"code": "stopping", "status": 503}, headers={"retry-after": "2"}),
        Body([HELLO, told(4), told(5), told(6)], is_clean=True),
    )
    seen: List[Event] = []
    with server.client() as api:
        for event in api.events(["t", "u"], types=["round.open"], after=3):
            seen.append(event)
            if event.sequence == 6:
                break
    assert [event.sequence for event in seen] == [None, 4, None, 5, 6]
    assert (seen[1].type, seen[1].round, seen[1].at_us) == ("round.open", "r", 5)
    assert server.after == ["3", "4", "4", "4"]
    assert server.params[0] == "tournaments=t%2Cu&types=round.open"
    # The first pause is that of the server's `retry`, 10 ms with jitter; 503 adds its own.
    assert server.waited[0] <= 0.01 < 2.0 <= server.waited[2]


def own(sequence: int, kind: str) -> bytes:
    """As the server sends what is the account's own: without an id."""
    body = {"sequence": sequence, "type": kind, "tournament": "t", "round": "r", "at_us": 5}
    return f"event: {kind}\ndata: {json.dumps(body)}\n\n".encode()


def test_own_events_come_once_and_heartbeats_move_the_place() -> None:
    scored = own(7, "prediction.scored") + own(7, "prediction.paid")
    server = Server(
        Body([HELLO, b": heartbeat\nid: 6\n\n", scored, told(7)[:30]], is_clean=False),
        Body([HELLO, scored, told(7), own(8, "prediction.scored")], is_clean=True),
        Body([HELLO, own(8, "prediction.scored"), told(8)], is_clean=True),
    )
    seen = []
    with server.client() as api:
        for event in api.events():
            seen.append((event.type, event.sequence))
            if event == Event("round.open", 8, "t", "r", 5, event.data):
                break
    assert [entry for entry in seen if entry[0] != "hello"] == [
        ("prediction.scored", 7),
        ("prediction.paid", 7),
        ("round.open", 7),
        ("prediction.scored", 8),
        ("round.open", 8),
    ]
    assert server.after == ["-", "6", "7"]


def test_a_refusal_that_does_not_pass_ends_it() -> None:
    answer = httpx.Response(401, json={"code": "key-revoked", "status": 401, "detail": "Revoked."})
    with Server(answer).client() as api, pytest.raises(ProblemError, match="key-revoked"):
        list(api.events())


def test_the_asynchronous_client_resumes_too() -> None:
    server = Server(Body([HELLO, told(1)], is_clean=False), Body([HELLO, told(1), told(2)], is_clean=True))

    async def pause(seconds: float) -> None:
        server.waited.append(seconds)

    async def use() -> List[Any]:
        seen = []
        transport = httpx.MockTransport(server)
        async with AsyncClient("http://s", http_transport=transport, sleep=pause) as api:
            async for event in api.events():
                seen.append(event.sequence)
                if event.sequence == 2:
                    break
        return seen

    assert asyncio.run(use()) == [None, 1, None, 2]
    assert server.after == ["-", "1"]
