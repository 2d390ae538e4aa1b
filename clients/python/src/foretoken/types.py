"""What the API answers, as values. Fields that a newer server adds are ignored, and are in `raw`."""

from __future__ import annotations

from dataclasses import dataclass, field as member
from typing import Any, Mapping, Optional, Tuple

from .errors import ProblemError, UnexpectedAnswer

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
class Time:
    """The market clock: microseconds, and market seconds per wall second."""

    now_us: int
    speed: float

    @classmethod
    def from_json(cls, body: Json) -> Time:
        return cls(now_us=field(body, "now_us", int), speed=field(body, "speed", float))


@dataclass(frozen=True)
class Tournament:
    """A named forecasting problem. `a`: reports are clamped to [a, 1 - a].

    `opens_before_s`, `freeze_before_s`, `deadline_before_s` and `lock_before_s` are market seconds
    before the start of a round: predictions are taken from the first to the third, features are
    fixed at the second, sealed predictions can be revealed until the fourth.
    """

    id: str
    name: str
    kind: str
    asset: str
    interval_s: int
    opens_before_s: int
    freeze_before_s: int
    deadline_before_s: int
    lock_before_s: int
    a: float
    raw: Json = member(repr=False, compare=False)

    @classmethod
    def from_json(cls, body: Json) -> Tournament:
        table = field(body, "timetable", Mapping)
        return cls(
            id=field(body, "id", str),
            name=field(body, "name", str),
            kind=field(body, "kind", str),
            asset=field(body, "asset", str),
            interval_s=field(table, "interval_s", int),
            opens_before_s=field(table, "opens_before_s", int),
            freeze_before_s=field(table, "freeze_before_s", int),
            deadline_before_s=field(table, "deadline_before_s", int),
            lock_before_s=field(table, "lock_before_s", int),
            a=field(field(body, "stake", Mapping), "a", float),
            raw=dict(body),
        )


@dataclass(frozen=True)
class Round:
    """One instance of a tournament. Moments are market microseconds UTC: see `ServerClock`.

    `outcome` is `up`, `down`, `void`, or `None` while it is not known. `features_us` is when the
    round's features are there; only `next_rounds` tells it.
    """

    id: str
    tournament: str
    state: str
    opens_us: int
    deadline_us: int
    start_us: int
    end_us: int
    outcome: Optional[str] = None
    features_us: Optional[int] = None
    raw: Json = member(default_factory=dict, repr=False, compare=False)

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
            features_us=optional(body, "features_us", int),
            raw=dict(body),
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
class Notice:
    """Advice beside a receipt: `code` (such as `clamped`, `underfunded`, `unstaked`, `thin`,
    `duplicate` or `sealed`), what it is about and what to do."""

    code: str
    detail: str
    remedy: str

    @classmethod
    def from_json(cls, body: Json) -> Notice:
        return cls(*(field(body, name, str) for name in ("code", "detail", "remedy")))


@dataclass(frozen=True)
class Receipt:
    """The server's signed word that a prediction was stored in time.

    Probabilities are parts per million. `p_ppm` is what counts, `posted_ppm` what was posted; both
    are `None` in the receipt of a seal, which has `seal`. `stake` is the amount named, in decimal
    tokens, or `None` for the model's default; `stake_counted` what would be risked if the round
    locked at that moment. `raw` is the answer as it came: store it as JSON, `foretoken verify
    --receipt FILE` reads it.
    """

    round: str
    model: str
    p_ppm: Optional[int]
    posted_ppm: Optional[int]
    clamped: bool
    stake: Optional[str]
    stake_counted: Optional[str]
    seal: Optional[str]
    sequence: int
    received_at: str
    ms_to_deadline: int
    hash: str
    signature: str
    notices: Tuple[Notice, ...]
    raw: Json = member(repr=False, compare=False)

    @classmethod
    def from_json(cls, body: Json) -> Receipt:
        return cls(
            round=field(body, "round", str),
            model=field(body, "model", str),
            p_ppm=optional(body, "p_ppm", int),
            posted_ppm=optional(body, "posted_ppm", int),
            clamped=field(body, "clamped", bool),
            stake=optional(body, "stake", str),
            stake_counted=optional(body, "stake_counted", str),
            seal=optional(body, "seal", str),
            sequence=field(body, "sequence", int),
            received_at=field(body, "received_at", str),
            ms_to_deadline=field(body, "ms_to_deadline", int),
            hash=field(body, "hash", str),
            signature=field(body, "signature", str),
            notices=tuple(Notice.from_json(row) for row in body.get("notices") or ()),
            raw=dict(body),
        )


@dataclass(frozen=True)
class Verdict:
    """What became of one prediction of many: a receipt, or the problem that it was refused with."""

    round: str
    model: str
    receipt: Optional[Receipt]
    problem: Optional[ProblemError]

    @classmethod
    def from_json(cls, body: Json) -> Verdict:
        receipt, problem = (optional(body, name, Mapping) for name in ("receipt", "problem"))
        if (receipt is None) == (problem is None):
            raise UnexpectedAnswer(f"a result has neither receipt nor problem, or both: {body}")
        return cls(
            round=field(body, "round", str),
            model=field(body, "model", str),
            receipt=None if receipt is None else Receipt.from_json(receipt),
            problem=None
            if problem is None
            else ProblemError.from_json(field(problem, "status", int), problem),
        )


@dataclass(frozen=True)
class Features:
    """The row of features of a round, bit for bit what hosted models are given (as float32).

    `digest` is the SHA-256 of the values as little-endian float32.
    """

    round: str
    names: Tuple[str, ...]
    values: Tuple[float, ...]
    digest: str
    raw: Json = member(repr=False, compare=False)

    @classmethod
    def from_json(cls, body: Json) -> Features:
        return cls(
            round=field(body, "round", str),
            names=tuple(field(body, "names", list)),
            values=tuple(float(value) for value in field(body, "values", list)),
            digest=field(body, "digest", str),
            raw=dict(body),
        )


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: `key` is shown this once. It never shows in `repr`."""

    key: str = member(repr=False)
    key_id: str
    scopes: Tuple[str, ...]
    account: Optional[str]
    raw: Json = member(repr=False, compare=False)

    @classmethod
    def from_json(cls, body: Json) -> NewKey:
        account = body.get("account")
        return cls(
            key=field(body, "key", str),
            key_id=field(body, "key_id" if "key_id" in body else "id", str),
            scopes=tuple(body.get("scopes") or ()),
            account=str(account["id"]) if isinstance(account, Mapping) else None,
            raw=dict(body),
        )


@dataclass(frozen=True)
class Event:
    """Something that happened. `sequence` grows; it is `None` for `hello` and `gap`, which tell of
    the stream itself. Own events have that of the event that they belong to. `data` is the event as
    the API tells it."""

    type: str
    sequence: Optional[int]
    tournament: Optional[str]
    round: Optional[str]
    at_us: Optional[int]
    data: Json = member(repr=False)

    @classmethod
    def from_json(cls, kind: str, body: Json) -> Event:
        return cls(
            type=kind,
            sequence=optional(body, "sequence", int),
            tournament=optional(body, "tournament", str),
            round=optional(body, "round", str),
            at_us=optional(body, "at_us", int),
            data=dict(body),
        )


@dataclass(frozen=True)
class Card:
    """The report card of a model file: what `foretoken check --json` prints.

    `by` is `binary` or `server`, whichever did it.
    """

    accepted: bool
    by: str
    report: Json = member(repr=False)
