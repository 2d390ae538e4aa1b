"""Plays the rounds of one tournament for one model.

As a round opens it says what the history of outcomes suggests; when the round's features are there
it says what its trained model does with them, which replaces the first. It goes by the server's clock
alone, keeps every receipt, and reports what came of each round.
"""

from __future__ import annotations

import logging
from typing import Any, Dict, List, Optional, Sequence

from ..client import Client
from ..errors import LateError, ProblemError
from ..types import Outcome, Round
from .folder import Folder
from .nightly import Trainer

log = logging.getLogger("foretoken.bot")

#: The key is wrong or may not do this: trying again cannot help.
FATAL = frozenset({401, 403})
#: Outcomes to learn from; the most that the API gives at once.
HISTORY = 1_000
#: Imagined pairs of outcomes, half of them repeats: little evidence means little conviction.
PRIOR_PAIRS = 100
#: Nothing is sent when less than this is left: it would only be refused.
LEAST_WALL_S = 0.05
#: Between two looks for results, market seconds.
RESULTS_EVERY_US = 30_000_000
#: When features are late, they are asked for once a wall second.
FEATURES_AGAIN_S = 1.0
#: A round whose moment has come opens within this.
OPEN_AGAIN_S = 0.2
#: What is older than this is no longer waited for.
FORGET_US = 86_400_000_000
ENDED = frozenset({"absent", "scored", "paid", "void"})


def persistence(newest_first: Sequence[Outcome]) -> float:
    """The probability that the next round goes up, when the last direction repeats as often as it
    did lately."""
    directions = [row.outcome for row in newest_first if row.outcome in ("up", "down")]
    if not directions:
        return 0.5
    pairs = list(zip(directions, directions[1:]))
    repeats = sum(newer == older for newer, older in pairs)
    p_repeat = (repeats + PRIOR_PAIRS / 2) / (len(pairs) + PRIOR_PAIRS)
    return p_repeat if directions[0] == "up" else 1 - p_repeat


class Player:
    """`rounds` counts the rounds that have a prediction since the start, `results` those whose end
    was reported."""

    def __init__(
        self,
        client: Client,
        folder: Folder,
        tournament: str,
        model: str,
        stake: Optional[str],
        trainer: Optional[Trainer],
    ) -> None:
        self._client = client
        self._folder = folder
        self._tournament = tournament
        self._model = model
        self._stake = stake
        self._trainer = trainer
        self._features_again_us: Dict[str, int] = {}
        self._results_us = 0
        self.rounds = 0
        self.results = 0
        #: What was said of rounds that have not ended: by round, {p_ppm, by, sequence, end_us}.
        said = folder.memory().get("said", {}).get(model, {})
        self._said: Dict[str, Dict[str, Any]] = said
        if said:
            log.info("goes on: %d rounds of before have not ended", len(said))

    def look(self) -> float:
        """Does what is to be done now; gives the wall seconds until there is more to do."""
        rounds = self._client.next_rounds([self._tournament])
        now_us = self._client.now_us()
        for round in rounds:
            if round.state == "open":
                self._predict(round)
        if self._said and now_us >= self._results_us:
            self._report(now_us)
            self._results_us = now_us + RESULTS_EVERY_US
        moments = [self._next_us(round, now_us) for round in rounds]
        if self._said:
            moments.append(self._results_us)
        # Without any round the timetable says nothing: the server is asked again in a while.
        next_us = min(moments, default=now_us + RESULTS_EVERY_US)
        return self._client.wall_until(next_us)

    def _predict(self, round: Round) -> None:
        """Says what is to be said of an open round by now."""
        if self._client.wall_until(round.deadline_us) < LEAST_WALL_S:
            return
        said = self._said.get(round.id)
        if said is not None and said["by"] == "features":
            return
        try:
            p = self._by_features(round)
            if p is not None:
                self._post(round, p, "features")
            elif said is None:
                history = self._client.outcomes(self._tournament, HISTORY)
                self._post(round, persistence(history), "history")
        except LateError as late:
            log.warning("%s: late by %s ms", round.id, late.missed_ms)
        except ProblemError as problem:
            # One round that cannot be had is no reason to miss the next.
            if problem.status in FATAL:
                raise
            log.warning("%s: %s", round.id, problem)

    def _by_features(self, round: Round) -> Optional[float]:
        """What the trained model says; nothing without a model, or while there are no features."""
        model = self._trainer.model if self._trainer is not None else None
        now_us = self._client.now_us()
        if model is None or now_us < self._features_us(round):
            return None
        try:
            row = self._client.features(round)
        except ProblemError as problem:
            if problem.code not in ("features-not-ready", "no-features"):
                raise
            ready_us = problem.members.get("ready_us")
            later_us = now_us + self._wall_us(FEATURES_AGAIN_S)
            self._features_again_us[round.id] = max(int(ready_us or 0), later_us)
            log.debug("%s: %s", round.id, problem)
            return None
        return model.probability(row.names, row.values)

    def _wall_us(self, seconds: float) -> int:
        """Seconds of the wall in microseconds of the market."""
        return int(seconds * self._client.clock.speed * 1e6)

    def _features_us(self, round: Round) -> int:
        return self._features_again_us.get(round.id, round.features_us or round.opens_us)

    def _post(self, round: Round, p: float, by: str) -> None:
        receipt = self._client.submit(round, self._model, p, self._stake)
        self._folder.add_receipt(receipt.raw)
        if round.id not in self._said:
            self.rounds += 1
        self._said[round.id] = {
            "p_ppm": receipt.p_ppm,
            "by": by,
            "sequence": receipt.sequence,
            "end_us": round.end_us,
        }
        self._remember()
        log.info(
            "%s: receipt %d, p %.6f by %s, %s at risk, %d ms before the deadline%s",
            round.id,
            receipt.sequence,
            (receipt.p_ppm or 0) / 1e6,
            by,
            receipt.stake_counted or "nothing",
            receipt.ms_to_deadline,
            "".join(f"; {notice.code}" for notice in receipt.notices),
        )

    def _report(self, now_us: int) -> None:
        """Tells what came of the rounds that ended, once each."""
        ended: List[str] = []
        for life in self._client.predictions(self._model, limit=200):
            round_id = str(life["round"])
            if round_id in self._said and life["state"] in ENDED:
                ended.append(round_id)
                log.info("%s: %s", round_id, _told(life))
        self.results += len(ended)
        ended += [name for name, said in self._said.items() if said["end_us"] + FORGET_US < now_us]
        for round_id in set(ended):
            self._said.pop(round_id, None)
            self._features_again_us.pop(round_id, None)
        if ended:
            self._remember()

    def _remember(self) -> None:
        memory = self._folder.memory()
        memory.setdefault("said", {})[self._model] = self._said
        self._folder.keep(memory)

    def _next_us(self, round: Round, now_us: int) -> int:
        """When there may be something to do for a round."""
        if round.state != "open":
            # When its moment is past, the server is about to open it.
            return max(round.opens_us, now_us + self._wall_us(OPEN_AGAIN_S))
        said = self._said.get(round.id)
        has_model = self._trainer is not None and self._trainer.model is not None
        if said is not None and has_model and said["by"] != "features":
            return max(self._features_us(round), now_us)
        # Said, or past: the next one is known once this is over.
        return max(round.deadline_us, now_us)


def _told(life: Any) -> str:
    score, payout = life.get("score"), life.get("payout")
    if life["state"] in ("absent", "void") or not score:
        reason = life.get("reason") or {}
        return f"{life['state']}: {reason.get('detail', 'nothing is charged')}"
    side = "right" if score["correct"] else "wrong"
    money = "" if payout is None else f", payout {payout}"
    return f"{life['outcome']}, {side}, Brier {score['brier']:.4f}, skill {score['skill_half']:+.4f}{money}"
