"""Predictions: posting one or many, and what became of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from ..frames import Table
from ..retries import Call
from ..steps import Request
from ..types import Json, Receipt, Verdict
from .describe import Amount, RoundOrId, amount, get, id_of, limited, rows, segment, table, whole

#: The most predictions that the API takes at once.
MOST_AT_ONCE = 100


@dataclass(frozen=True)
class Prediction:
    """One prediction of many: the probability that the price rises, and what to risk.

    `stake` is an exact amount of tokens, `"10.5"`; without it the model's default limit applies.
    """

    round: RoundOrId
    model: str
    p: float
    stake: Optional[Amount] = None


def probability(p: float) -> float:
    """The number, when it is one; whether it is in range is for the server to say."""
    if isinstance(p, bool) or not isinstance(p, (int, float)) or not math.isfinite(p):
        raise ValueError(f"p is {p!r}, but must be a number from 0 to 1")
    return float(p)


def opinion(p: float, stake: Optional[Amount]) -> Dict[str, Any]:
    """The body of an open prediction."""
    body: Dict[str, Any] = {"p": probability(p)}
    if stake is not None:
        body["stake"] = amount(stake)
    return body


def put_prediction(
    round: RoundOrId, model: str, body: Mapping[str, Any], budget_s: Optional[float] = None
) -> Call[Receipt]:
    """One prediction; the same again gives the same receipt."""
    path = f"/rounds/{segment(id_of(round))}/predictions/{segment(model)}"
    return Call(Request("PUT", path, json=body), Receipt.from_json, budget_s)


def post_predictions(
    items: Sequence[Mapping[str, Any]], key: str, budget_s: Optional[float] = None
) -> Call[List[Verdict]]:
    """Many predictions, each with its own verdict; the same `key` again gives the same answer."""
    request = Request(
        "POST", "/predictions", json={"predictions": items}, headers={"idempotency-key": key}
    )
    return Call(request, rows("results", Verdict.from_json), budget_s)


def prediction(round: RoundOrId, model: str) -> Call[Receipt]:
    """The receipt of a model's latest prediction; others' only once the round is resolved."""
    path = f"/rounds/{segment(id_of(round))}/predictions/{segment(model)}"
    return get(path, Receipt.from_json)


def predictions(
    model: Optional[str] = None, limit: Optional[int] = None, before: Union[str, int, None] = None
) -> Call[Table]:
    """Own predictions and what became of them, one row for each model and round, the latest
    first; of one model when it is named."""
    return get("/predictions", table("predictions"), model=model, **limited(limit, before))


def life(round: RoundOrId, model: str) -> Call[Json]:
    """The life of a prediction: its receipts, what counted, score, payout, and once the outcome is
    known the proof that it was in the round's tree."""
    return get(f"/rounds/{segment(id_of(round))}/predictions/{segment(model)}/life", whole)
