"""What takes more than one request: the market clock, models, predictions, seals.

Each function is a flow: its first argument is the client's session, the rest are its caller's.
"""

from __future__ import annotations

import secrets
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .api import market, models, predictions
from .api.describe import Amount, RoundOrId, id_of
from .api.predictions import MOST_AT_ONCE, Prediction
from .clock import Reading
from .errors import ForetokenError, ProblemError, Unreachable
from .retries import Session, ask
from .seals import Sealed, sealed
from .steps import Flow
from .types import Model, Receipt, Round, Time, Verdict, field

READINGS = 3
REGISTRATIONS = 3


def time(session: Session) -> Flow[Tuple[int, float]]:
    """The market clock: microseconds, and market seconds per wall second."""
    read: Time = yield from ask(session, market.time())
    return read.now_us, read.speed


def sync_clock(session: Session) -> Flow[None]:
    """Reads the server's clock anew; `clock` goes by it from then on."""
    readings = []
    for _ in range(READINGS):
        sent_s = session.monotonic()
        read = yield from ask(session, market.time())
        readings.append(Reading(sent_s, session.monotonic(), read.now_us, read.speed))
    session.clock.set(readings)


def now_us(session: Session) -> Flow[int]:
    """Market microseconds since 1970-01-01 UTC; reads the server's clock when ours is old."""
    yield from _fresh_clock(session)
    return session.clock.now_us()


def wall_until(session: Session, market_us: int) -> Flow[float]:
    """Wall seconds until the market clock shows `market_us`; negative when it is past."""
    yield from _fresh_clock(session)
    return session.clock.wall_until(market_us)


def _fresh_clock(session: Session) -> Flow[None]:
    if not session.clock.is_old():
        return
    try:
        yield from sync_clock(session)
    except Unreachable:
        # An old reading drifts by little; none at all is no clock.
        if not session.clock.is_set:
            raise


def ensure_model(session: Session, tournament: str, name: str) -> Flow[Model]:
    """The account's model of this name in this tournament, registered when it is new.

    A registration whose end is not known is looked for before it is sent again.
    """
    failure: Optional[ForetokenError] = None
    for _ in range(REGISTRATIONS):
        mine = yield from ask(session, models.my_models())
        own = (model for model in mine if model.tournament == tournament)
        found = next((model for model in own if model.name == name), None)
        if found is not None:
            return found
        try:
            return (yield from ask(session, models.create_model(tournament, name)))
        except Unreachable as error:
            failure = error
        except ProblemError as problem:
            if problem.status < 500 and problem.code != "model-name-taken":
                raise
            # Perhaps taken by this account, a moment ago.
            failure = problem
    assert failure is not None
    raise failure


def submit(
    session: Session,
    round: RoundOrId,
    model: str,
    p: float,
    stake: Optional[Amount] = None,
    signed: Optional[Mapping[str, Any]] = None,
) -> Flow[Receipt]:
    """Posts the probability that the price rises; gives the signed receipt.

    The latest prediction before the deadline counts. Repeating one is safe, so this repeats it
    after passing failures, until the deadline when given a `Round`. `stake` is an exact amount
    of tokens, `"10.5"`; without it the model's default limit applies. `signed` stands for a key:
    {signer, nonce, signature} of the account's wallet or of a session key (`foretoken.signing`).
    """
    body = _signed(predictions.opinion(p, stake), signed)
    budget_s = yield from _left_s(session, round)
    return (yield from ask(session, predictions.put_prediction(round, model, body, budget_s)))


def submit_many(
    session: Session, items: Sequence[Prediction], idempotency_key: Optional[str] = None
) -> Flow[List[Verdict]]:
    """Posts many predictions in one request for each hundred, each with its own verdict, in order.

    Safe to repeat: an `Idempotency-Key` goes with each request, and the same one gives the same
    answer for a day. Without one of your own a new one is made.
    """
    key = idempotency_key or secrets.token_hex(16)
    verdicts: List[Verdict] = []
    for at in range(0, len(items), MOST_AT_ONCE):
        part = items[at : at + MOST_AT_ONCE]
        bodies: List[Dict[str, Any]] = []
        left: List[Optional[float]] = []
        for item in part:
            opinion = predictions.opinion(item.p, item.stake)
            bodies.append({"round": id_of(item.round), "model": item.model, **opinion})
            left.append((yield from _left_s(session, item.round)))
        # Repeated as long as one of them may still be in time.
        known = [seconds for seconds in left if seconds is not None]
        budget_s = max(known) if len(known) == len(left) else None
        named = key if at == 0 else f"{key}-{at // MOST_AT_ONCE}"
        call = predictions.post_predictions(bodies, named, budget_s)
        verdicts += yield from ask(session, call)
    return verdicts


def seal_prediction(
    session: Session, round: RoundOrId, model: str, p: float, stake: Optional[Amount] = None
) -> Flow[Sealed]:
    """Seals a prediction without sending anything of it. Store it, then `submit_seal`, then, before
    `reveal_until_us`, `reveal`: a seal that is not revealed in time counts as no prediction."""
    shown = yield from ask(session, market.round(round))
    owned = yield from ask(session, models.model(model))
    index = field(owned["stake"], "model_index", int) if owned.get("stake") else None
    name = bytes.fromhex(field(shown, "chain_round", str)[2:])
    until_us = field(shown, "reveal_until_us", int)
    return sealed(id_of(round), model, p, stake, name, index, until_us)


def submit_seal(
    session: Session, hidden: Sealed, signed: Optional[Mapping[str, Any]] = None
) -> Flow[Receipt]:
    """Posts a seal; the receipt binds the server to it. It must arrive before the deadline."""
    body = _signed({"seal": hidden.seal}, signed)
    return (yield from ask(session, predictions.put_prediction(hidden.round, hidden.model, body)))


def reveal(
    session: Session, hidden: Sealed, signed: Optional[Mapping[str, Any]] = None
) -> Flow[Receipt]:
    """Opens the model's latest seal; from then on it counts as a prediction does."""
    budget_s = max((yield from wall_until(session, hidden.reveal_until_us)), 0.0)
    body = _signed(hidden.opening(), signed)
    call = predictions.put_prediction(hidden.round, hidden.model, body, budget_s)
    return (yield from ask(session, call))


def _signed(body: Dict[str, Any], signed: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    return body if signed is None else {**body, "signed": dict(signed)}


def _left_s(session: Session, round: RoundOrId) -> Flow[Optional[float]]:
    """Wall seconds to the deadline, when the round is known by more than its id."""
    if not isinstance(round, Round):
        return None
    return max((yield from wall_until(session, round.deadline_us)), 0.0)
