"""Requests with retries where repeating is safe, and answers as JSON or exceptions."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
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
        allowed = self._retry.budget_s if budget_s is None else min(budget_s, self._retry.budget_s)
        end = self._monotonic() + allowed
        repetition = 0
        while True:
            failure: ForetokenError
            retry_after_s = 0.0
            try:
                answer = self._http.request(method, path, params=params, json=body)
            except httpx.TransportError as error:
                # A request that never left may be repeated whatever it is.
                is_safe = method in IDEMPOTENT or isinstance(error, httpx.ConnectError)
                failure = Unreachable(f"{method} {path}: {error or type(error).__name__}")
                failure.__cause__ = error
            else:
                if answer.is_success:
                    return _json(answer, method, path)
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
