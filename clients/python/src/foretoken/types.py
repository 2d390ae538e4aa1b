"""What the API answers, as values. Fields that a newer server adds are ignored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

from .errors import UnexpectedAnswer

Json = Mapping[str, Any]


def field(body: Any, name: str, kind: type) -> Any:
    """`body[name]`, which must be of the kind that the API promises."""
    value = body.get(name) if isinstance(body, Mapping) else None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UnexpectedAnswer(f"the answer has no {kind.__name__} {name!r}: {str(body)[:200]}")
    return value


def optional(body: Json, name: str, kind: type) -> Any:
    """`body[name]` or `None`."""
    return None if body.get(name) is None else field(body, name, kind)


@dataclass(frozen=True)
class Tournament:
    """A named forecasting problem. `a`: reports are clamped to [a, 1 - a]."""

    id: str
    name: str
    kind: str
    asset: str
    interval_s: int
    a: float

    @classmethod
    def from_json(cls, body: Json) -> Tournament:
        return cls(
            id=field(body, "id", str),
            name=field(body, "name", str),
            kind=field(body, "kind", str),
            asset=field(body, "asset", str),
            interval_s=field(field(body, "timetable", Mapping), "interval_s", int),
            a=field(field(body, "stake", Mapping), "a", float),
        )


@dataclass(frozen=True)
class Round:
    """One instance of a tournament. Moments are market microseconds UTC: see `ServerClock`.

    `outcome` is `up`, `down`, `void`, or `None` while it is not known.
    """

    id: str
    tournament: str
    state: str
    opens_us: int
    deadline_us: int
    start_us: int
    end_us: int
    outcome: Optional[str]

    @classmethod
    def from_json(cls, body: Json) -> Round:
        return cls(
            id=field(body, "id", str),
            tournament=field(body, "tournament", str),
            state=field(body, "state", str),
            opens_us=field(body, "opens_us", int),
            deadline_us=field(body, "deadline_us", int),
            start_us=field(body, "start_us", int),
            end_us=field(body, "end_us", int),
            outcome=optional(body, "outcome", str),
        )


@dataclass(frozen=True)
class Outcome:
    """How a past round ended: `up`, `down` or `void`."""

    round: str
    outcome: str

    @classmethod
    def from_json(cls, body: Json) -> Outcome:
        return cls(round=field(body, "round", str), outcome=field(body, "outcome", str))


@dataclass(frozen=True)
class Model:
    """A participant's entry in a tournament."""

    id: str
    tournament: str
    name: str

    @classmethod
    def from_json(cls, body: Json) -> Model:
        return cls(
            id=field(body, "id", str),
            tournament=field(body, "tournament", str),
            name=field(body, "name", str),
        )


@dataclass(frozen=True)
class Receipt:
    """The server's signed word that a prediction was stored in time.

    Probabilities are parts per million. `p_ppm` is what counts, `posted_ppm` what was posted;
    `stake` is the amount named, in decimal tokens, or `None` for the model's default. `raw` is the
    answer as it came: store it as JSON, `foretoken verify --receipt FILE` reads it.
    """

    round: str
    model: str
    p_ppm: int
    posted_ppm: int
    clamped: bool
    stake: Optional[str]
    sequence: int
    received_at: str
    ms_to_deadline: int
    hash: str
    signature: str
    raw: Json

    @classmethod
    def from_json(cls, body: Json) -> Receipt:
        return cls(
            round=field(body, "round", str),
            model=field(body, "model", str),
            p_ppm=field(body, "p_ppm", int),
            posted_ppm=field(body, "posted_ppm", int),
            clamped=field(body, "clamped", bool),
            stake=optional(body, "stake", str),
            sequence=field(body, "sequence", int),
            received_at=field(body, "received_at", str),
            ms_to_deadline=field(body, "ms_to_deadline", int),
            hash=field(body, "hash", str),
            signature=field(body, "signature", str),
            raw=dict(body),
        )
