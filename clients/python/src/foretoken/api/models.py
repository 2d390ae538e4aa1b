"""Models: registering, uploading, and how they do."""

from __future__ import annotations

from typing import List, Optional, Union

from ..frames import Table
from ..retries import Call
from ..steps import Request
from ..types import Card, Json, Model
from .describe import Amount, act, amount, get, limited, nothing, rows, segment, sent, table, whole

UPLOAD_S = 300.0


def my_models() -> Call[List[Model]]:
    """The models of the key's account."""
    return get("/models", rows("models", Model.from_json), mine=True)


def model(model: str) -> Call[Json]:
    """Stake, skill and state of a model, and why."""
    return get(f"/models/{segment(model)}", whole)


def create_model(tournament: str, name: str) -> Call[Model]:
    """Registers an external model: one whose predictions a bot posts."""
    body = {"tournament": tournament, "name": name}
    return act("POST", "/models", lambda answer: Model.from_json({**body, **whole(answer)}), body)


def upload_model(tournament: str, name: str, content: bytes) -> Call[Json]:
    """Uploads the bytes of an ONNX file as a hosted model; a runner checks it afterwards."""
    request = Request(
        "POST",
        "/models/upload",
        params=sent({"tournament": tournament, "name": name}),
        content=content,
        headers={"content-type": "application/octet-stream"},
        timeout_s=UPLOAD_S,
    )
    return Call(request, whole)


def check_model(content: bytes) -> Call[Card]:
    """Has the server check the bytes of an ONNX file; needs no account, and nothing is stored."""
    request = Request(
        "POST",
        "/check",
        content=content,
        headers={"content-type": "application/octet-stream"},
        timeout_s=UPLOAD_S,
    )
    return Call(request, lambda body: card(body, "server"))


def card(body: object, by: str) -> Card:
    """A report card as the runner writes it."""
    report = whole(body)
    return Card(accepted=bool(report.get("accepted")), by=by, report=report)


def retire_model(model: str) -> Call[None]:
    """Retires a model for good; its history stays, its stake can be withdrawn."""
    return act("DELETE", f"/models/{segment(model)}", nothing)


def stake(model: str, stake: Optional[Amount] = None) -> Call[Json]:
    """The stake of an own model: deposited, reserved, free, its limits, and what it `would_risk`
    now, when `stake` is named or nothing is."""
    named = None if stake is None else amount(stake)
    return get(f"/models/{segment(model)}/stake", whole, stake=named)


def history(model: str, limit: Optional[int] = None) -> Call[Table]:
    """Scores, payouts and running sums of the last so many scored rounds, oldest first."""
    return get(f"/models/{segment(model)}/history", table("rounds"), limit=limit)


def summary(model: str, cost_bp: Optional[int] = None, threshold: Optional[float] = None) -> Call[Json]:
    """Skills, calibration and the trading view of a model."""
    return get(f"/models/{segment(model)}/summary", whole, cost_bp=cost_bp, threshold=threshold)


def diagnostics(model: str) -> Call[Json]:
    """How a hosted model does over the validation part of the newest dataset, as the API answers.

    `state` is `none`, `queued`, `running`, `done` or `failed`; `report` is there once it is done,
    with `eras` for the key of the model's owner.
    """
    return get(f"/models/{segment(model)}/diagnostics", whole)


def receipts(
    model: str, limit: Optional[int] = 50, before: Union[str, int, None] = None
) -> Call[Json]:
    """Receipts of a hosted model's runs, newest first: all of them to the model's owner, to others
    those of resolved rounds. `next_before` is for the next page."""
    return get(f"/models/{segment(model)}/receipts", whole, **limited(limit, before))


def run(round_id: str, model: str) -> Call[Json]:
    """One run of a hosted model with everything that `verify_receipt` needs."""
    return get(f"/rounds/{segment(round_id)}/runs/{segment(model)}", whole)
