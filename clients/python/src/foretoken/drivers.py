"""The two ways to carry out steps: blocking, and on the event loop of asyncio.

Nothing is decided here; what is repeated, when, and what it means is in the flows.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, Iterator, List, Optional, TypeVar

import httpx

from .steps import Close, Emit, Flow, Open, Pause, Read, Request, Send, Step, Stream, Work

T = TypeVar("T")


class BlockingDriver:
    """Carries out flows over an `httpx.Client`."""

    def __init__(self, http: httpx.Client, sleep: Callable[[float], None] = time.sleep) -> None:
        self.http = http
        self._sleep = sleep

    def run(self, flow: Flow[T]) -> T:
        """The value with which the flow ends."""
        ended = _End()
        for _ in self.each(_kept(flow, ended)):
            raise AssertionError("a flow that emits must be iterated")
        value: T = ended.value
        return value

    def each(self, flow: Flow[Any]) -> Iterator[Any]:
        """What the flow emits. Its streams are closed when it ends or the iterator is closed."""
        streams: List[Stream] = []
        answer: Any = None
        failure: Optional[Exception] = None
        try:
            while True:
                try:
                    step = flow.send(answer) if failure is None else flow.throw(failure)
                except StopIteration:
                    return
                answer = failure = None
                if isinstance(step, Emit):
                    yield step.value
                    continue
                try:
                    answer = self._do(step, streams)
                except Exception as error:  # Everything is for the flow to judge.
                    failure = error
        finally:
            flow.close()
            for stream in streams:
                stream.response.close()

    def _do(self, step: Step, streams: List[Stream]) -> Any:
        if isinstance(step, Send):
            return self.http.send(_built(self.http, step.request))
        if isinstance(step, Open):
            response = self.http.send(_built(self.http, step.request), stream=True)
            streams.append(Stream(response, response.iter_bytes()))
            return streams[-1]
        if isinstance(step, Read):
            return next(step.stream.chunks, b"")
        if isinstance(step, Close):
            streams.remove(step.stream)
            return step.stream.response.close()
        if isinstance(step, Pause):
            return self._sleep(step.seconds)
        assert isinstance(step, Work), step
        return step.function()


class AsyncDriver:
    """Carries out flows over an `httpx.AsyncClient`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.http = http
        self._sleep = sleep

    async def run(self, flow: Flow[T]) -> T:
        """The value with which the flow ends."""
        ended = _End()
        async for _ in self.each(_kept(flow, ended)):
            raise AssertionError("a flow that emits must be iterated")
        value: T = ended.value
        return value

    async def each(self, flow: Flow[Any]) -> AsyncIterator[Any]:
        """What the flow emits. Its streams are closed when it ends or the iterator is closed."""
        streams: List[Stream] = []
        answer: Any = None
        failure: Optional[Exception] = None
        try:
            while True:
                try:
                    step = flow.send(answer) if failure is None else flow.throw(failure)
                except StopIteration:
                    return
                answer = failure = None
                if isinstance(step, Emit):
                    yield step.value
                    continue
                try:
                    answer = await self._do(step, streams)
                except Exception as error:  # Everything is for the flow to judge.
                    failure = error
        finally:
            flow.close()
            for stream in streams:
                await stream.response.aclose()

    async def _do(self, step: Step, streams: List[Stream]) -> Any:
        if isinstance(step, Send):
            return await self.http.send(_built(self.http, step.request))
        if isinstance(step, Open):
            response = await self.http.send(_built(self.http, step.request), stream=True)
            streams.append(Stream(response, response.aiter_bytes()))
            return streams[-1]
        if isinstance(step, Read):
            async for chunk in step.stream.chunks:
                return chunk
            return b""
        if isinstance(step, Close):
            streams.remove(step.stream)
            return await step.stream.response.aclose()
        if isinstance(step, Pause):
            return await self._sleep(step.seconds)
        assert isinstance(step, Work), step
        return await asyncio.get_running_loop().run_in_executor(None, step.function)


class _End:
    value: Any = None


def _kept(flow: Flow[Any], ended: _End) -> Flow[None]:
    """The flow, with its value put aside: an asynchronous generator cannot return one."""
    ended.value = yield from flow


def _built(http: Any, request: Request) -> httpx.Request:
    more: Dict[str, Any] = {}
    if request.timeout_s is not None:
        usual = http.timeout.as_dict()
        more["timeout"] = httpx.Timeout(**{**usual, "read": request.timeout_s})
    built: httpx.Request = http.build_request(
        request.method,
        request.target,
        params=request.params or None,
        json=request.json,
        content=request.content,
        headers=dict(request.headers),
        **more,
    )
    return built
