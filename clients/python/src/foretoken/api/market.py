"""Tournaments, rounds, prices and what everybody may see."""

from __future__ import annotations

from typing import List, Optional, Sequence, Union

from ..frames import Table
from ..retries import Call
from ..types import Features, Json, Outcome, Round, Time, Tournament
from .describe import RoundOrId, get, id_of, limited, rows, segment, table, whole

Before = Union[str, int, None]


def time() -> Call[Time]:
    """The market clock. `clock` is what to go by."""
    return get("/time", Time.from_json)


def tournaments() -> Call[List[Tournament]]:
    """Every tournament."""
    return get("/tournaments", rows("tournaments", Tournament.from_json))


def tournament(tournament: str) -> Call[Tournament]:
    """One tournament with its rules."""
    return get(f"/tournaments/{segment(tournament)}", Tournament.from_json)


def open_rounds(tournament: Optional[str] = None) -> Call[List[Round]]:
    """The rounds that take predictions now, the most urgent first."""

    def parse(body: object) -> List[Round]:
        found = rows("rounds", Round.from_json)(body)
        return sorted(found, key=lambda round: (round.deadline_us, round.id))

    return get("/rounds", parse, state="open", limit=500, tournament=tournament)


def next_rounds(
    tournaments: Optional[Sequence[str]] = None, limit: Optional[int] = None
) -> Call[List[Round]]:
    """The rounds that are open and that open next, open ones first, by deadline."""
    return get(
        "/rounds/next", rows("rounds", Round.from_json), tournaments=tournaments, limit=limit
    )


def rounds(
    tournament: Optional[str] = None,
    states: Optional[Sequence[str]] = None,
    limit: Optional[int] = None,
    before: Before = None,
) -> Call[Table]:
    """Rounds in these states, newest first."""
    return get(
        "/rounds", table("rounds"), tournament=tournament, state=states, **limited(limit, before)
    )


def round(round: RoundOrId) -> Call[Json]:
    """Everything public about a round; its entries once it is resolved."""
    return get(f"/rounds/{segment(id_of(round))}", whole)


def features(round: RoundOrId) -> Call[Features]:
    """The row of features of a round; `features-not-ready` (409) until it is known."""
    return get(f"/rounds/{segment(id_of(round))}/features", Features.from_json)


def outcomes(tournament: str, limit: Optional[int] = 100) -> Call[List[Outcome]]:
    """How past rounds ended, newest first."""
    path = f"/tournaments/{segment(tournament)}/outcomes"
    return get(path, rows("outcomes", Outcome.from_json), limit=limit)


def candles(tournament: str, limit: Optional[int] = None, before: Before = None) -> Call[Table]:
    """Five-minute candles of the tournament's asset, newest first."""
    return get(f"/tournaments/{segment(tournament)}/candles", table("candles"), **limited(limit, before))


def aggregates(tournament: str, limit: Optional[int] = None, before: Before = None) -> Call[Table]:
    """The combined forecasts of resolved rounds with their outcomes, newest first."""
    return get("/aggregates", table("aggregates"), tournament=tournament, **limited(limit, before))


def aggregate(round: RoundOrId) -> Call[Json]:
    """The combined forecast of a round, once it is resolved."""
    return get(f"/rounds/{segment(id_of(round))}/aggregate", whole)


def leaderboard(tournament: str) -> Call[Table]:
    """Standings over the last week of rounds, best first."""
    return get("/leaderboard", table("standings"), tournament=tournament)


def recent_events(
    after: Optional[int] = None,
    limit: Optional[int] = None,
    tournaments: Optional[Sequence[str]] = None,
    types: Optional[Sequence[str]] = None,
) -> Call[Json]:
    """Events after a sequence number, for those who poll: give `next_after` as `after` next time.
    `events` follows them."""
    return get(
        "/events/recent", whole, after=after, limit=limit, tournaments=tournaments, types=types
    )


def datasets(limit: Optional[int] = None, before: Before = None) -> Call[Table]:
    """Published versions of the datasets, newest first."""
    return get("/datasets", table("versions"), **limited(limit, before))
