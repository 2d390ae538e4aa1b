"""Training beside playing: a thread that looks for a newer dataset and learns from it.

Datasets are published once a day of the market, shortly after midnight UTC. The thread has a client
of its own; the player sees a model only once it is whole.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Callable, Optional

from ..client import Client
from ..errors import ForetokenError
from .folder import Folder

if TYPE_CHECKING:
    from .learner import Logistic

log = logging.getLogger("foretoken.bot")

#: Between two looks for a newer version, market seconds, and within what bounds on the wall.
LOOK_EVERY_MARKET_S = 3600.0
SHORTEST_S, LONGEST_S = 5.0, 3600.0
#: While the server has no dataset, or does not answer.
NOTHING_YET_S = 2.0


class Trainer:
    """`model` is the newest that was learned, from this start or an earlier one, else `None`."""

    def __init__(
        self, connect: Callable[[], Client], folder: Folder, stop: threading.Event
    ) -> None:
        self.model: Optional[Logistic] = None
        self._connect = connect
        self._folder = folder
        self._stop = stop
        # It must not keep the process: every file that it writes is written whole or not at all.
        self._thread = threading.Thread(target=self._run, name="training", daemon=True)

    def start(self) -> bool:
        """Begins; false when there is nothing to learn with."""
        try:
            from . import learner
        except ImportError as error:
            log.warning(
                "no training, predicts from the history of outcomes: %s; pip install 'foretoken[bot]'",
                error,
            )
            return False
        if self._folder.model.is_file():
            try:
                self.model = learner.load(self._folder.model)
                log.info("model of dataset %s is kept from before", self.model.version)
            except (OSError, ValueError, KeyError) as error:
                log.warning("%s cannot be read, learns anew: %s", self._folder.model, error)
        self._thread.start()
        return True

    def _run(self) -> None:
        with self._connect() as client:
            while not self._stop.is_set():
                pause_s = NOTHING_YET_S
                try:
                    client.sync_clock()
                    if self._look(client):
                        wanted_s = LOOK_EVERY_MARKET_S / client.clock.speed
                        pause_s = min(max(wanted_s, SHORTEST_S), LONGEST_S)
                except ForetokenError as error:
                    log.warning("training: %s; tries again", error)
                except Exception:
                    if self._stop.is_set():
                        return
                    # The player plays on with the model that it has.
                    log.exception("training failed; tries again with the next dataset")
                    pause_s = LONGEST_S
                self._stop.wait(pause_s)

    def _look(self, client: Client) -> bool:
        """Whether there is a dataset, and what is known of it is learned."""
        from . import learner

        versions = client.datasets(limit=1)
        if not len(versions):
            return False
        newest = str(versions[0]["version"])
        if self.model is not None and self.model.version == newest:
            return True
        dataset = client.download_dataset(self._folder.data, newest)
        model = learner.train(dataset)
        model.save(self._folder.model)
        self.model = model
        log.info(
            "learned dataset %s: %d files fetched, %d kept; Brier skill %+.2e over its validation part",
            newest,
            len(dataset.fetched),
            len(dataset.kept),
            model.skill,
        )
        return True
