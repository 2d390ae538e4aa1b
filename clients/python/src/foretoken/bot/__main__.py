"""The command: connects, plays until told to stop, and ends cleanly."""

from __future__ import annotations

import argparse
import functools
import logging
import random
import secrets
import signal
import sys
import threading
from typing import Callable, List, Optional, TypeVar

from ..client import Client
from ..errors import ForetokenError, ProblemError, Unreachable
from .folder import Folder
from .nightly import Trainer
from .options import options
from .player import FATAL, Player

log = logging.getLogger("foretoken.bot")
T = TypeVar("T")

#: Wall seconds between two looks, whatever is to come.
SHORTEST_S, LONGEST_S = 0.05, 15.0
#: The most to wait for a server that does not answer.
PATIENCE_S = 30.0
#: The most that a limit of requests may keep it away.
RATE_LIMIT_S = 120.0


class Stopped(Exception):
    """Told to stop while waiting."""


class Stop(threading.Event):
    """Set by a signal; whoever sleeps on it wakes up and unwinds."""

    def sleep(self, seconds: float) -> None:
        if self.wait(seconds):
            raise Stopped


def main(argv: Optional[List[str]] = None) -> int:
    args = options(argv)
    level = logging.DEBUG if args.verbose else logging.INFO
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(level)
    stop = Stop()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    try:
        play(args, stop)
    except Stopped:
        log.info("told to stop")
    except (ForetokenError, OSError) as error:
        log.error("%s", error)
        return 2 if isinstance(error, ProblemError) else 1
    return 0


def play(args: argparse.Namespace, stop: Stop) -> None:
    """Everything between start and end."""
    folder = Folder(args.folder)
    try:
        with Client(args.server, sleep=stop.sleep) as client:
            patiently(stop, lambda: client.sync_clock())
            key = patiently(stop, lambda: sign_in(client, folder, args))
            tournament = patiently(stop, lambda: client.tournament(args.tournament))
            model = patiently(stop, lambda: client.ensure_model(tournament.id, args.model))
            log.info("model %s at speed %g, memory in %s", model.id, client.clock.speed, folder.path)
            connect = functools.partial(Client, args.server, key, sleep=stop.sleep)
            trainer = Trainer(connect, folder, stop)
            is_training = not args.no_training and trainer.start()
            learner = trainer if is_training else None
            player = Player(client, folder, tournament.id, model.id, args.stake, learner)
            rounds(player, stop, args)
            log.info("ends with %d rounds and %d results", player.rounds, player.results)
    finally:
        stop.set()
        folder.close()


def rounds(player: Player, stop: Stop, args: argparse.Namespace) -> None:
    """Plays until told to stop, or until what was asked for is done."""
    failures = 0
    while not stop.is_set():
        try:
            pause_s = player.look()
            failures = 0
        except ProblemError as problem:
            if problem.status in FATAL:
                raise
            failures += 1
            log.warning("%s", problem)
            pause_s = max(patience_s(failures), problem.retry_after_s or 0.0)
        except ForetokenError as error:
            failures += 1
            log.warning("%s; goes on trying", error)
            pause_s = patience_s(failures)
        if args.rounds is not None and player.rounds >= args.rounds:
            return
        if args.results is not None and player.results >= args.results:
            return
        stop.wait(min(max(pause_s, SHORTEST_S), LONGEST_S if failures == 0 else RATE_LIMIT_S))


def sign_in(client: Client, folder: Folder, args: argparse.Namespace) -> str:
    """The key to act with: that of the command line, of the folder, or of a new account."""
    if args.key:
        client.use_key(args.key)
        return str(args.key)
    kept = folder.key()
    if kept is not None:
        client.use_key(kept)
        try:
            client.my_models()
            return kept
        except ProblemError as problem:
            # A demo that was started anew has forgotten everybody; every other refusal is one.
            if problem.code != "key-unknown":
                raise
            log.warning("%s does not know the kept key any more", args.server)
            client.use_key(None)
    name = args.account or f"bot-{secrets.token_hex(4)}"
    made = client.open_account(name)
    folder.keep_key(made.key)
    client.use_key(made.key)
    log.info("opened the account %s; its key is in %s", made.account, folder.path / "key")
    return made.key


def patiently(stop: Stop, act: Callable[[], T]) -> T:
    """The answer, however long the server takes to come up. A refusal is an answer."""
    failures = 0
    while True:
        try:
            return act()
        except Unreachable as error:
            failures += 1
            log.warning("%s; goes on trying", error)
            stop.sleep(patience_s(failures))


def patience_s(failures: int) -> float:
    """Longer and longer; bots that failed together do not come back together."""
    return min(0.5 * 2.0 ** min(failures, 10), PATIENCE_S) * random.uniform(0.5, 1.0)


if __name__ == "__main__":
    sys.exit(main())
