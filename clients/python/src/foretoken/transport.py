"""Requests with retries where repeating is safe, and answers as JSON or exceptions."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, Optional

import httpx

from .errors import ForetokenError, ProblemError, UnexpectedAnswer, Unreachable

#: Too many requests, and what a server or a proxy says while it restarts.
PASSING = frozenset({429, 500, 502, 503, 504})
IDEMPOTENT = frozenset({"GET", "PUT"})


@dataclass(frozen=True)
class Retry:
    """How often and how patiently an idempotent request is repeated.

    The pause before repetition n is drawn from 0 to min(`longest_s`, `first_s` * 2^n), so that bots
    that failed together do not come back together; a `Retry-After` header lengthens it. Nothing
    is repeated past `budget_s` after the first try.
    """

    attempts: int = 6
    first_s: float = 0.1
    longest_s: float = 2.0
    budget_s: float = 15.0

    def pause_s(self, repetition: int, draw: float, retry_after_s: float) -> float:
        ceiling = min(self.longest_s, self.first_s * 2.0**repetition)
        return max(draw * ceiling, retry_after_s)


class Transport:
    """One connection pool to one server."""

    def __init__(
        self,
        http: httpx.Client,
        retry: Retry,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._http = http
        self._retry = retry
        self._sleep = sleep
        self._monotonic = monotonic
        self._draw = draw

    def close(self) -> None:
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        params: Optional[Mapping[str, str]] = None,
        body: Optional[Mapping[str, Any]] = None,
        budget_s: Optional[float] = None,
    ) -> Any:
        """The JSON of a good answer.

        `budget_s` shortens the time for repetitions. Raises `ProblemError`, `Unreachable` or
        `UnexpectedAnswer`.
        """

        def once() -> httpx.Response:
            return self._http.request(method, path, params=params, json=body)

        answer = self._repeated(method, path, once, budget_s)
        return _json(answer, method, path)

    def ask_bytes(self, path: str) -> bytes:
        """The body of a good answer, as it is."""
        return self._repeated("GET", path, lambda: self._http.get(path)).content

    def download(self, path: str, partial: Path, size: int, tag: str) -> None:
        """Brings `partial` to `size` bytes of the file at `path` of the server (not of its API).

        Goes on behind the bytes that `partial` has, as long as the file's etag is `tag`; what breaks
        off is resumed. Whether the bytes are right is for the caller to check.
        """
        url = self._http.base_url.copy_with(raw_path=path.encode("ascii"))
        while (have := partial.stat().st_size if partial.is_file() else 0) < size:
            try:
                self._repeated("GET", path, lambda: self._receive(url, partial, size, tag))
            except Unreachable:
                # The budget of repetitions is for what does not move at all.
                if not partial.is_file() or partial.stat().st_size <= have:
                    raise
                continue
            if partial.stat().st_size <= have:
                raise UnexpectedAnswer(f"GET {path} ended before its {size} bytes")

    def _receive(self, url: httpx.URL, partial: Path, size: int, tag: str) -> httpx.Response:
        """One request; what came before a failure stays in `partial`."""
        have = partial.stat().st_size if partial.is_file() else 0
        headers = {"accept-encoding": "identity"}
        if have > 0:
            headers.update({"range": f"bytes={have}-", "if-range": f'"{tag}"'})
        with self._http.stream("GET", url, headers=headers) as answer:
            if not answer.is_success:
                answer.read()
                return answer
            goes_on = answer.status_code == 206
            if goes_on and not answer.headers.get("content-range", "").startswith(f"bytes {have}-"):
                raise UnexpectedAnswer(f"GET {url.path} answered another range than was asked for")
            with partial.open("ab" if goes_on else "wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
                    if file.tell() > size:
                        raise UnexpectedAnswer(f"GET {url.path} has more than its {size} bytes")
        return answer

    def _repeated(
        self,
        method: str,
        path: str,
        once: Callable[[], httpx.Response],
        budget_s: Optional[float] = None,
    ) -> httpx.Response:
        """A good answer, after repetitions where they are safe."""
        allowed = self._retry.budget_s if budget_s is None else min(budget_s, self._retry.budget_s)
        end = self._monotonic() + allowed
        repetition = 0
        while True:
            failure: ForetokenError
            retry_after_s = 0.0
            try:
                answer = once()
            except httpx.TransportError as error:
                # A request that never left may be repeated whatever it is.
                is_safe = method in IDEMPOTENT or isinstance(error, httpx.ConnectError)
                failure = Unreachable(f"{method} {path}: {error or type(error).__name__}")
                failure.__cause__ = error
            else:
                if answer.is_success:
                    return answer
                failure = _refusal(answer, method, path)
                is_safe = answer.status_code in PASSING and method in IDEMPOTENT
                retry_after_s = _retry_after_s(answer)
            pause_s = self._retry.pause_s(repetition, self._draw(), retry_after_s)
            repetition += 1
            is_spent = repetition >= self._retry.attempts or self._monotonic() + pause_s > end
            if not is_safe or is_spent:
                raise failure
            self._sleep(pause_s)


def _json(answer: httpx.Response, method: str, path: str) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise UnexpectedAnswer(
            f"{method} {path} answered {answer.status_code} with no JSON: {answer.text[:200]!r}; "
            "is the address that of a Foretoken server?"
        ) from error


def _refusal(answer: httpx.Response, method: str, path: str) -> ForetokenError:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if isinstance(body, Mapping) and "code" in body:
        return ProblemError.from_json(answer.status_code, body)
    return UnexpectedAnswer(
        f"{method} {path} answered {answer.status_code} without a problem: {answer.text[:200]!r}"
    )


def _retry_after_s(answer: httpx.Response) -> float:
    """Seconds of `Retry-After`; 0 without one or with a date, which needs a right local clock."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdigit() else 0.0
