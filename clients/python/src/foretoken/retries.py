"""Which requests are repeated, when, and what it means when none was answered.

A request is repeated after a passing failure when doing so cannot act twice: its method is
idempotent, or it has an `Idempotency-Key`, or it never left, or the server refused it unread.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Callable, Generic, Mapping, Optional, TypeVar

import httpx

from .clock import ServerClock
from .errors import ForetokenError, OutcomeUnknown, ProblemError, UnexpectedAnswer, Unreachable
from .steps import Flow, Pause, Request, Send

T = TypeVar("T")

#: What passes by itself. Other server errors do so too, except that a method is not implemented.
PASSING = frozenset({408, 425, 429})
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
#: Failures of a request that never left.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
#: The first request with this key still runs: its answer comes to those who ask again.
IN_PROGRESS = "idempotency-in-progress"


@dataclass(frozen=True)
class Retry:
    """How often and how patiently a request is repeated where that is safe.

    The pause before repetition n is drawn from 0 to min(`longest_s`, `first_s` * 2^n), so that bots
    that failed together do not come back together; a `Retry-After` header lengthens it. Nothing
    is repeated past `budget_s` after the first try, nor past a deadline.
    """

    attempts: int = 6
    first_s: float = 0.1
    longest_s: float = 2.0
    budget_s: float = 15.0

    def pause_s(self, repetition: int, draw: float, retry_after_s: float) -> float:
        ceiling = min(self.longest_s, self.first_s * 2.0**repetition)
        # Jitter also behind what the server asked for: it may have told many the same.
        return draw * ceiling + retry_after_s


@dataclass
class Session:
    """What the logic of one client goes by. Time and chance are members, so that tests set them."""

    retry: Retry = Retry()
    clock: ServerClock = field(default_factory=ServerClock)
    monotonic: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request of the API and how its JSON is read. `budget_s` shortens the time for repetitions."""

    request: Request
    parse: Callable[[Any], T]
    budget_s: Optional[float] = None


def ask(session: Session, call: Call[T]) -> Flow[T]:
    """The value of a good answer. Raises `ProblemError`, `Unreachable` or `UnexpectedAnswer`."""

    def once() -> Flow[httpx.Response]:
        answer: httpx.Response = yield Send(call.request)
        return answer

    answer = yield from repeated(session, call.request, once, call.budget_s)
    return call.parse(None if answer.status_code == 204 else read_json(answer, call.request))


def repeated(
    session: Session,
    request: Request,
    once: Callable[[], Flow[httpx.Response]],
    budget_s: Optional[float] = None,
) -> Flow[httpx.Response]:
    """A good answer of `once`, after repetitions where they are safe."""
    retry = session.retry
    end_s = session.monotonic() + min(retry.budget_s, retry.budget_s if budget_s is None else budget_s)
    repetition = 0
    is_unknown = False
    while True:
        failure: ForetokenError
        retry_after_s = 0.0
        try:
            answer = yield from once()
        except httpx.TransportError as error:
            is_sent = not isinstance(error, NOT_SENT)
            is_unknown = is_unknown or (is_sent and request.method not in ("GET", "HEAD"))
            is_safe = not is_sent or is_repeatable(request)
            failure = _unanswered(request, error, is_unknown)
        else:
            if answer.is_success:
                return answer
            failure = refusal(answer, request)
            is_safe = may_pass(answer, failure, request)
            retry_after_s = _retry_after_s(answer) or 0.0
        pause_s = retry.pause_s(repetition, session.draw(), retry_after_s)
        repetition += 1
        is_spent = repetition >= retry.attempts or session.monotonic() + pause_s > end_s
        if not is_safe or is_spent:
            raise failure
        yield Pause(pause_s)


def is_repeatable(request: Request) -> bool:
    """Whether the server acts once, however often it gets this."""
    return request.method in IDEMPOTENT or "idempotency-key" in request.headers


def may_pass(answer: httpx.Response, failure: ForetokenError, request: Request) -> bool:
    """Whether the same request may be answered well a little later, and may be sent again."""
    status = answer.status_code
    if isinstance(failure, ProblemError) and failure.code == IN_PROGRESS:
        return True
    # Who is over a limit was not let in: nothing was done, whatever the method.
    if status == 429:
        return True
    return is_repeatable(request) and (status in PASSING or (status >= 500 and status != 501))


def refusal(answer: httpx.Response, request: Request) -> ForetokenError:
    """The exception of an answer that is no success."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if isinstance(body, Mapping) and "code" in body:
        return ProblemError.from_json(answer.status_code, body, _retry_after_s(answer))
    return UnexpectedAnswer(
        f"{request.method} {request.path} answered {answer.status_code} without a problem: "
        f"{answer.text[:200]!r}"
    )


def read_json(answer: httpx.Response, request: Request) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise UnexpectedAnswer(
            f"{request.method} {request.path} answered {answer.status_code} with no JSON: "
            f"{answer.text[:200]!r}; is the address that of a Foretoken server?"
        ) from error


def _unanswered(request: Request, error: httpx.TransportError, is_unknown: bool) -> Unreachable:
    kind = OutcomeUnknown if is_unknown else Unreachable
    failure = kind(f"{request.method} {request.path}: {error or type(error).__name__}")
    failure.__cause__ = error
    return failure


def _retry_after_s(answer: httpx.Response) -> Optional[float]:
    """Seconds of `Retry-After`. A date is read against the server's own: ours may be wrong."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    try:
        asked = parsedate_to_datetime(text)
        told = parsedate_to_datetime(answer.headers.get("date", ""))
        return max((asked - told).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None
