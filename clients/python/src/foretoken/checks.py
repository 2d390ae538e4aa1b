"""Whether a model file would be accepted, without an account."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Optional, Union

from .api.models import card
from .client import Client
from .errors import ForetokenError, UnexpectedAnswer
from .types import Card

COMMAND = "foretoken"
ACCEPTED, REFUSED = 0, 2
LIMIT_S = 300.0


def check(path: Union[str, Path], server: Optional[str] = None) -> Card:
    """The report card of an ONNX file: what a server would say of it.

    The command `foretoken` does it when it is on the PATH; otherwise, or when the command cannot,
    the server at the address `server` or in FORETOKEN_SERVER. Nothing is stored, nothing is uploaded
    where the command does it.
    """
    path = Path(path)
    content = path.read_bytes()
    server = server or os.environ.get("FORETOKEN_SERVER")
    command = shutil.which(COMMAND)
    if command is not None:
        try:
            return by_command(command, path)
        except ForetokenError:
            if server is None:
                raise
    if server is None:
        raise ForetokenError(
            f"no command {COMMAND!r} is on the PATH: name a server, check(path, server='http://...')"
        )
    with Client(server) as client:
        return client.check_model(content)


def by_command(command: str, path: Path) -> Card:
    """The card as the command prints it."""
    try:
        done = subprocess.run(
            [command, "check", str(path), "--json"],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ForetokenError(f"{command} check: {error}") from error
    if done.returncode not in (ACCEPTED, REFUSED):
        raise ForetokenError(f"{command} check ended with {done.returncode}: {done.stderr.strip()}")
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        raise UnexpectedAnswer(f"{command} check printed no JSON: {done.stdout[:200]!r}") from error
    return card(report, "binary")
