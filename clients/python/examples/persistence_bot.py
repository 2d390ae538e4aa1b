"""A complete bot: it believes that the last direction repeats as often as it did lately.

    python persistence_bot.py --server http://127.0.0.1:8080 --key ftk_... --model "my bot"

It looks at the open rounds every few market seconds, posts a forecast for each, posts again when a
newer outcome changes its mind, and never acts by any clock but the server's. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import sys
import threading
from typing import Dict, List, Optional, Sequence

from foretoken import Client, ForetokenError, LateError, Outcome, ProblemError, Round

log = logging.getLogger("persistence-bot")

#: Outcomes to learn from; the most that the API gives at once.
HISTORY = 1_000
#: Imagined pairs of outcomes, half of them repeats: little evidence means little conviction.
PRIOR_PAIRS = 100
#: Between two looks at the open rounds.
LOOK_EVERY_MARKET_S = 15.0
#: Nothing is sent when less than this is left: it would only be refused.
LEAST_WALL_S = 0.05
#: The key is wrong or may not do this: trying again cannot help.
FATAL = {401, 403}


def forecast(newest_first: Sequence[Outcome]) -> float:
    """The probability that the next round goes up."""
    directions = [row.outcome for row in newest_first if row.outcome in ("up", "down")]
    if not directions:
        return 0.5
    pairs = list(zip(directions, directions[1:]))
    repeats = sum(newer == older for newer, older in pairs)
    p_repeat = (repeats + PRIOR_PAIRS / 2) / (len(pairs) + PRIOR_PAIRS)
    return p_repeat if directions[0] == "up" else 1 - p_repeat


class Bot:
    """Posts for one model until told to stop."""

    def __init__(
        self, client: Client, tournament: str, model: str, stake: Optional[str], stop: threading.Event
    ) -> None:
        self._client = client
        self._tournament = tournament
        self._model = model
        self._stake = stake
        self._stop = stop
        #: What was posted, by round; forgotten once the round is no longer open.
        self._posted: Dict[str, float] = {}
        self.rounds_posted = 0

    def run(self, rounds: Optional[int]) -> None:
        """Until stopped, or until `rounds` rounds have a prediction."""
        failures = 0
        while not self._stop.is_set():
            try:
                self.look()
                failures = 0
            except ProblemError as problem:
                if problem.status in FATAL:
                    raise
                log.warning("%s", problem)
                failures += 1
            except ForetokenError as error:
                log.warning("%s; goes on trying", error)
                failures += 1
            if rounds is not None and self.rounds_posted >= rounds:
                return
            self._stop.wait(self._pause_s(failures))

    def look(self) -> None:
        """Posts for every open round that has no forecast of ours, or an older opinion."""
        rounds = self._client.open_rounds(self._tournament)
        self._posted = {round.id: self._posted[round.id] for round in rounds if round.id in self._posted}
        if not rounds:
            return
        p = forecast(self._client.outcomes(self._tournament, HISTORY))
        for round in rounds:
            if self._posted.get(round.id) != p:
                self._post(round, p)

    def _post(self, round: Round, p: float) -> None:
        if self._client.clock.wall_until(round.deadline_us) < LEAST_WALL_S:
            return
        is_new = round.id not in self._posted
        try:
            receipt = self._client.submit(round, self._model, p, self._stake)
        except LateError as late:
            log.warning("%s: late by %s ms", round.id, late.missed_ms)
            return
        self._posted[round.id] = p
        self.rounds_posted += is_new
        log.info(
            "%s: p %.6f counted, %d ms before the deadline, receipt %d",
            round.id,
            receipt.p_ppm / 1e6,
            receipt.ms_to_deadline,
            receipt.sequence,
        )

    def _pause_s(self, failures: int) -> float:
        usual = min(max(LOOK_EVERY_MARKET_S / self._client.clock.speed, 0.1), LOOK_EVERY_MARKET_S)
        # Bots that failed together do not come back together.
        return usual * random.uniform(0.8, 1.2) * 2.0 ** min(failures, 3)


def arguments(argv: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="http://127.0.0.1:8080", help="address of the server")
    parser.add_argument("--key", default=os.environ.get("FORETOKEN_KEY"), help="API key, or FORETOKEN_KEY")
    parser.add_argument("--tournament", default="btc-usd-5m", help="id of the tournament")
    parser.add_argument("--model", default="persistence", help="name of the model; made when it is new")
    parser.add_argument("--stake", help='tokens to risk in each round, "10.5"; else the default limit')
    parser.add_argument("--rounds", type=int, help="stop after so many rounds")
    return parser.parse_args(argv)


def main(argv: Optional[List[str]] = None) -> int:
    args = arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if not args.key:
        print("no API key: pass --key or set FORETOKEN_KEY", file=sys.stderr)
        return 64
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    try:
        with Client(args.server, args.key) as client:
            client.clock.sync()
            model = client.ensure_model(args.tournament, args.model)
            log.info("model %s in %s at speed %g", model.id, args.tournament, client.clock.speed)
            bot = Bot(client, args.tournament, model.id, args.stake, stop)
            bot.run(args.rounds)
            log.info("ends with %d rounds posted", bot.rounds_posted)
    except ForetokenError as error:
        print(f"persistence-bot: {error}", file=sys.stderr)
        return 2 if isinstance(error, ProblemError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
