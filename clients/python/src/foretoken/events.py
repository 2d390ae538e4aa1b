"""Following the server's events: the stream's format, and going on where it broke off."""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set

import httpx

from .api.describe import sent
from .errors import UnexpectedAnswer
from .retries import Session, may_pass, refusal
from .steps import Close, Emit, Flow, Open, Pause, Read, Request, Stream
from .types import Event

#: The server says something every 15 s; a line that is silent for longer is dead.
SILENCE_S = 45.0
#: A single event is far smaller; more without an end is not this API.
LONGEST = 1 << 20
#: What tells of the stream itself, on every line anew.
OF_THE_STREAM = frozenset({"hello", "gap", "message"})


@dataclass
class Frame:
    """A message of the stream as it came."""

    id: Optional[str]
    event: str
    data: str
    retry_ms: Optional[int]


class Decoder:
    """Takes bytes, however they are cut, and gives whole messages (the SSE of the HTML standard)."""

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._lines: List[str] = []

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        self._rest += self._text.decode(chunk)
        if len(self._rest) + sum(map(len, self._lines)) > LONGEST:
            raise UnexpectedAnswer("the stream of events sends a message without an end")
        # A line may end with a carriage return whose newline is still to come.
        whole, newline, self._rest = self._rest.rpartition("\n")
        for line in (whole + newline).split("\n")[:-1]:
            line = line[:-1] if line.endswith("\r") else line
            if line:
                self._lines.append(line)
                continue
            frame = self._frame()
            self._lines = []
            if frame is not None:
                yield frame

    def _frame(self) -> Optional[Frame]:
        fields: Dict[str, str] = {}
        data: List[str] = []
        for line in self._lines:
            name, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if name == "data":
                data.append(value)
            elif name:
                fields[name] = value
        retry = fields.get("retry", "")
        retry_ms = int(retry) if retry.isdigit() else None
        if not data and retry_ms is None and "id" not in fields:
            return None
        return Frame(fields.get("id"), fields.get("event", "message"), "\n".join(data), retry_ms)


class _Place:
    """How far the stream was heard: behind `last`, and beyond it the own events in `ahead`, which
    have no place of their own and come again when the line breaks before that of their event."""

    def __init__(self, after: Optional[int]) -> None:
        self.last = after
        self._ahead: Set[str] = set()

    def is_new(self, frame: Frame) -> bool:
        """Whether this was not heard before; it is from now on."""
        if frame.id is None or not frame.id.isdigit():
            is_known = frame.data in self._ahead
            if frame.event not in OF_THE_STREAM:
                self._ahead.add(frame.data)
            return not is_known
        if self.last is not None and int(frame.id) <= self.last:
            return False
        self.last = int(frame.id)
        self._ahead.clear()
        return True


def follow(
    session: Session,
    tournaments: Optional[Sequence[str]] = None,
    types: Optional[Sequence[str]] = None,
    after: Optional[int] = None,
) -> Flow[None]:
    """Events as they happen, each once and in order; it goes on by itself where a line broke off.

    Without `after` it begins now; with it, behind that sequence number: keep the last one you dealt
    with. `hello` is first on every new line, `gap` tells that the server no longer has what was
    asked for. It ends only when the server refuses, or when you stop iterating. With a key of scope
    `read` the account's own events come too, each just before the event that it belongs to and with
    the number of that: after a restart of yours they may come once more.
    """
    place = _Place(after)
    failures = 0
    retry_s = 1.0
    while True:
        came = False
        retry_after_s = 0.0
        request = _request(tournaments, types, place.last)
        try:
            stream: Stream = yield Open(request)
            if stream.response.is_success:
                decoder = Decoder()
                while chunk := (yield Read(stream)):
                    for frame in decoder.feed(chunk):
                        retry_s = retry_s if frame.retry_ms is None else frame.retry_ms / 1e3
                        if place.is_new(frame) and frame.data:
                            came = True
                            yield Emit(_event(frame))
            else:
                retry_after_s = yield from _judged(stream, request)
            yield Close(stream)
        except httpx.TransportError:
            # The line broke; what was heard counts, and the next one goes on behind it.
            pass
        failures = 0 if came else failures + 1
        pause_s = min(retry_s * 2.0**min(failures, 5), 30.0)
        yield Pause(pause_s * (0.5 + session.draw() / 2) + retry_after_s)


def _request(
    tournaments: Optional[Sequence[str]], types: Optional[Sequence[str]], last: Optional[int]
) -> Request:
    headers = {"accept": "text/event-stream", "cache-control": "no-store"}
    if last is not None:
        headers["last-event-id"] = str(last)
    params = sent({"tournaments": tournaments, "types": types})
    return Request("GET", "/events", params=params, headers=headers, timeout_s=SILENCE_S)


def _judged(stream: Stream, request: Request) -> Flow[float]:
    """Seconds to wait on top after a refusal that passes; raises the others."""
    body = b""
    while chunk := (yield Read(stream)):
        body += chunk
    response = stream.response
    answer = httpx.Response(response.status_code, headers=_plain(response), content=body)
    failure = refusal(answer, request)
    if not may_pass(answer, failure, request):
        raise failure
    return getattr(failure, "retry_after_s", None) or 0.0


def _plain(response: httpx.Response) -> Dict[str, str]:
    """The headers without those of an encoding that is already undone."""
    coded = ("content-encoding", "content-length", "transfer-encoding")
    return {name: value for name, value in response.headers.items() if name not in coded}


def _event(frame: Frame) -> Event:
    try:
        body: Any = json.loads(frame.data)
    except ValueError as error:
        raise UnexpectedAnswer(f"an event is no JSON: {frame.data[:200]!r}") from error
    if not isinstance(body, dict):
        raise UnexpectedAnswer(f"an event is no object: {frame.data[:200]!r}")
    return Event.from_json(frame.event, body)
