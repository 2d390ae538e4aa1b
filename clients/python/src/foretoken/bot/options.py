"""What the bot can be told."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import List, NoReturn, Optional

#: Wrong usage; 2 says that the server refused.
USAGE = 64


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage()
        self.exit(USAGE, f"{self.prog}: {message}\n")


def options(argv: Optional[List[str]] = None) -> argparse.Namespace:
    """The options of a command line."""
    parser = _Parser(
        prog="python -m foretoken.bot",
        description="Predicts every round of a tournament, learns every night, survives restarts.",
        epilog="Exit code 0: told to stop, or done; 1: could not; 2: the server refused; 64: wrong usage.",
    )
    add = parser.add_argument
    add("--server", default="http://127.0.0.1:8080", help="address of the server [%(default)s]")
    add(
        "--key",
        default=os.environ.get("FORETOKEN_KEY"),
        help="API key with the scopes read, predict and upload, or FORETOKEN_KEY; without one, that "
        "of the folder, else the bot opens an account and keeps its key there",
    )
    add("--account", help="name of the account to open [bot- and eight random digits]")
    add("--tournament", default="btc-usd-5m", help="id of the tournament [%(default)s]")
    add("--model", default="nightly logistic", help="name of the model [%(default)s]")
    add("--stake", help='tokens to risk in each round, "10.5" [the default limit of the model]')
    add("--rounds", type=int, help="stop once so many rounds have a prediction [never]")
    add("--results", type=int, help="stop once so many results are known [never]")
    add("--no-training", action="store_true", help="go by the history of outcomes alone")
    add(
        "--folder",
        type=Path,
        help="where key, memory, receipts, datasets and model lie, mode 0700 "
        "[~/.local/state/foretoken-bot/ and the server's name]",
    )
    add("--verbose", action="store_true", help="say more")
    given = parser.parse_args(argv)
    for name in ("rounds", "results"):
        if getattr(given, name) is not None and getattr(given, name) < 1:
            parser.error(f"--{name} must be at least 1")
    given.folder = given.folder or _folder(given.server)
    return given


def _folder(server: str) -> Path:
    state = os.environ.get("XDG_STATE_HOME")
    base = Path(state) if state else Path.home() / ".local" / "state"
    name = re.sub(r"[^a-z0-9.]+", "-", server.lower().split("://")[-1]).strip("-")
    return base / "foretoken-bot" / name
