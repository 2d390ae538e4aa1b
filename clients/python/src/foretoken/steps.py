"""What the client's logic asks of a connection, as values.

The logic of the package is written once, as generators that yield these steps and get their answers
back. `drivers` carries the steps out, blocking or on an event loop. Nothing here does any IO.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Generator, Mapping, Optional, TypeVar, Union

import httpx

T = TypeVar("T")
API = "/api/v1"


@dataclass(frozen=True)
class Request:
    """One request. `path` is below `/api/v1` of the server when `is_api`, else below its root."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    content: Optional[bytes] = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_api: bool = True
    #: Seconds to wait for the next bytes; the client's `timeout_s` when `None`.
    timeout_s: Optional[float] = None

    @property
    def target(self) -> str:
        return API + self.path if self.is_api else self.path


@dataclass(frozen=True)
class Send:
    """Answered by an `httpx.Response` that is read whole."""

    request: Request


@dataclass(frozen=True)
class Open:
    """Answered by a `Stream` whose body is not read yet. The driver closes it in the end."""

    request: Request


@dataclass
class Stream:
    """An answer whose body comes piece by piece. `chunks` is for the driver alone."""

    response: httpx.Response
    chunks: Any


@dataclass(frozen=True)
class Read:
    """Answered by the next bytes of a stream, empty at its end."""

    stream: Stream


@dataclass(frozen=True)
class Close:
    """Ends a stream before its end, or after it."""

    stream: Stream


@dataclass(frozen=True)
class Pause:
    """Waits so many wall seconds."""

    seconds: float


@dataclass(frozen=True)
class Work:
    """Answered by what the function returns. For work that would hold an event loop up."""

    function: Callable[[], Any]


@dataclass(frozen=True)
class Emit:
    """Hands a value to whoever iterates; only in flows that are iterated."""

    value: Any


Step = Union[Send, Open, Read, Close, Pause, Work, Emit]
#: Logic that ends with a value. An exception of a step is thrown into it.
Flow = Generator[Step, Any, T]
