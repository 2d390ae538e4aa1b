"""The client: one method per thing that a participant does."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, Mapping, Optional, Tuple, Type, Union
from urllib.parse import quote

import httpx

from .clock import ServerClock
from .datasets import Dataset, download
from .errors import ForetokenError, ProblemError, UnexpectedAnswer, Unreachable
from .transport import Retry, Transport
from .types import Model, Outcome, Receipt, Round, Tournament, field

BASE = "/api/v1"
REGISTRATIONS = 3

#: Exact amounts of tokens. A float is refused: 0.1 is not a tenth.
Amount = Union[str, int, Decimal]


class Client:
    """A connection to one server; use it in a `with` block or call `close`.

    `clock` is the server's market clock. Every call raises `ProblemError` when the server refuses,
    `Unreachable` when no answer comes and `UnexpectedAnswer` when the answer is not the API's.
    Calls that change nothing twice are repeated by themselves after passing failures (`retry`).
    Not to be shared between threads; two clients do not disturb each other.
    """

    def __init__(
        self,
        server: str,
        key: Optional[str] = None,
        *,
        timeout_s: float = 10.0,
        retry: Retry = Retry(),
        http_transport: Optional[httpx.BaseTransport] = None,
    ) -> None:
        headers = {"accept": "application/json", "user-agent": "foretoken-python/0.1.0"}
        if key:
            headers["authorization"] = f"Bearer {key}"
        http = httpx.Client(
            base_url=server.rstrip("/") + BASE,
            headers=headers,
            timeout=timeout_s,
            transport=http_transport,
        )
        self._transport = Transport(http, retry)
        self.clock = ServerClock(self.time)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def time(self) -> Tuple[int, float]:
        """The market clock: microseconds, and market seconds per wall second."""
        body = self._get("/time")
        return field(body, "now_us", int), field(body, "speed", float)

    def tournaments(self) -> List[Tournament]:
        """Every tournament."""
        return [Tournament.from_json(row) for row in field(self._get("/tournaments"), "tournaments", list)]

    def open_rounds(self, tournament: Optional[str] = None) -> List[Round]:
        """The rounds that take predictions now, the most urgent first."""
        params = {"state": "open", "limit": "500"}
        if tournament is not None:
            params["tournament"] = tournament
        rows = field(self._get("/rounds", params), "rounds", list)
        rounds = [Round.from_json(row) for row in rows]
        return sorted(rounds, key=lambda round: (round.deadline_us, round.id))

    def round(self, round_id: str) -> Mapping[str, Any]:
        """Everything about a round, as the API answers it; entries once it is resolved."""
        return _object(self._get(f"/rounds/{_segment(round_id)}"))

    def outcomes(self, tournament: str, limit: int = 100) -> List[Outcome]:
        """How past rounds ended, newest first."""
        path = f"/tournaments/{_segment(tournament)}/outcomes"
        rows = field(self._get(path, {"limit": str(limit)}), "outcomes", list)
        return [Outcome.from_json(row) for row in rows]

    def my_models(self) -> List[Model]:
        """The models of the key's account."""
        rows = field(self._get("/models", {"mine": "true"}), "models", list)
        return [Model.from_json(row) for row in rows]

    def create_model(self, tournament: str, name: str) -> Model:
        """Registers an external model: one whose predictions a bot posts."""
        body = {"tournament": tournament, "name": name}
        return Model.from_json({**body, **self._transport.ask("POST", "/models", body=body)})

    def ensure_model(self, tournament: str, name: str) -> Model:
        """The account's model of this name in this tournament, registered when it is new.

        A registration whose end is not known is looked for before it is sent again.
        """
        failure: Optional[ForetokenError] = None
        for _ in range(REGISTRATIONS):
            own = (model for model in self.my_models() if model.tournament == tournament)
            found = next((model for model in own if model.name == name), None)
            if found is not None:
                return found
            try:
                return self.create_model(tournament, name)
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
        self,
        round: Union[Round, str],
        model: str,
        p: float,
        stake: Optional[Amount] = None,
    ) -> Receipt:
        """Posts the probability that the price rises; gives the signed receipt.

        The latest prediction before the deadline counts. Repeating one is safe, so this repeats it
        after passing failures, until the deadline when given a `Round`. `stake` is an exact amount
        of tokens, `"10.5"`; without it the model's default limit applies.
        """
        if not (isinstance(p, (int, float)) and math.isfinite(p)):
            raise ValueError(f"p is {p!r}, but must be a number from 0 to 1")
        body: Dict[str, Any] = {"p": float(p)}
        if stake is not None:
            body["stake"] = _amount(stake)
        budget_s = None
        round_id = round
        if isinstance(round, Round):
            round_id = round.id
            budget_s = max(self.clock.wall_until(round.deadline_us), 0.0)
        path = f"/rounds/{_segment(round_id)}/predictions/{_segment(model)}"
        return Receipt.from_json(self._transport.ask("PUT", path, body=body, budget_s=budget_s))

    def prediction(self, round_id: str, model: str) -> Receipt:
        """The receipt of a model's latest prediction; others' only once the round is resolved."""
        path = f"/rounds/{_segment(round_id)}/predictions/{_segment(model)}"
        return Receipt.from_json(self._get(path))

    def diagnostics(self, model: str) -> Mapping[str, Any]:
        """How a hosted model does over the validation part of the newest dataset, as the API answers.

        `state` is `none`, `queued`, `running`, `done` or `failed`; `report` is there once it is done,
        with `eras` for the key of the model's owner.
        """
        return _object(self._get(f"/models/{_segment(model)}/diagnostics"))

    def receipts(
        self, model: str, limit: int = 50, before: Optional[int] = None
    ) -> Mapping[str, Any]:
        """Receipts of a hosted model's runs, newest first, as the API answers them: all of them to
        the model's owner, to others those of resolved rounds. `next_before` is for the next page."""
        params = {"limit": str(limit)}
        if before is not None:
            params["before"] = str(before)
        return _object(self._get(f"/models/{_segment(model)}/receipts", params))

    def run(self, round_id: str, model: str) -> Mapping[str, Any]:
        """One run of a hosted model with everything that `verify_receipt` needs."""
        return _object(self._get(f"/rounds/{_segment(round_id)}/runs/{_segment(model)}"))

    def leaderboard(self, tournament: str) -> Mapping[str, Any]:
        """The leaderboard, as the API answers it."""
        return _object(self._get("/leaderboard", {"tournament": tournament}))

    def aggregates(self, tournament: str) -> Mapping[str, Any]:
        """The combined forecasts of resolved rounds, as the API answers them."""
        return _object(self._get("/aggregates", {"tournament": tournament}))

    def download_dataset(
        self, folder: Union[str, Path], version: Optional[str] = None
    ) -> Dataset:
        """Brings `folder` to a published version of the datasets, the newest when none is named.

        Files that are there with the right hash are kept, so a later version costs what is new in
        it. What breaks off is resumed, in this call or in the next. Every file is checked by its
        SHA-256, and `manifest.json` is written last.
        """
        return download(self._transport, folder, version or "newest")

    def _get(self, path: str, params: Optional[Mapping[str, str]] = None) -> Any:
        return self._transport.ask("GET", path, params=params)


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise UnexpectedAnswer(f"the answer is no object: {str(body)[:200]}")
    return body


def _segment(text: Any) -> str:
    return quote(str(text), safe="")


def _amount(stake: Amount) -> str:
    if isinstance(stake, bool) or not isinstance(stake, (str, int, Decimal)):
        raise TypeError(f'stake is {stake!r}, but amounts are exact: pass "10.5" or a Decimal')
    return f"{stake:f}" if isinstance(stake, Decimal) else str(stake)
