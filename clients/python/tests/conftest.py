"""A real server for the tests: the demo, on a free port, on recorded prices."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Sequence

import httpx
import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PACKAGE = REPOSITORY / "clients" / "python"
START_LIMIT_S = 120.0
STOP_LIMIT_S = 20.0
SPEED = 40
#: More than the tests can live to see: they end the demo themselves.
ROUNDS = 400


@dataclass(frozen=True)
class LiveServer:
    """Where it listens, its speed, and the key of an account of its own."""

    url: str
    key: str
    speed: float


def binary() -> Path:
    """FORETOKEN_BIN, or what `cargo build` made."""
    named = os.environ.get("FORETOKEN_BIN")
    if named:
        return Path(named)
    asked = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
        text=True,
    )
    target = json.loads(asked.stdout)["target_directory"] if asked.returncode == 0 else None
    return Path(target or REPOSITORY / "target") / "debug" / "foretoken"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail(f"the server ended with {process.returncode}:\n{tail(log)}")
        try:
            if httpx.get(f"{url}/api/v1/rounds?state=open", timeout=2.0).json().get("rounds"):
                return
        except (httpx.TransportError, ValueError):
            pass
        time.sleep(0.1)
    pytest.fail(f"the server had no open round within {START_LIMIT_S} s:\n{tail(log)}")


def tail(log: Path) -> str:
    return log.read_text(errors="replace")[-4_000:]


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The demo while the tests run; ended and removed after them."""
    server = binary()
    if not server.is_file():
        pytest.fail(f"{server} does not exist: run `cargo build`, or set FORETOKEN_BIN")
    folder = tmp_path_factory.mktemp("live")
    data, log, port = folder / "data", folder / "demo.log", free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--port", str(port), "--data", str(data), "--json", str(folder / "out.json")]
    options += ["--rounds", str(ROUNDS), "--speed", str(SPEED), "--headless"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(server), "demo", *options], stdout=output, stderr=output, cwd=REPOSITORY
        )
    try:
        wait_until_it_answers(url, process, log)
        opened = httpx.post(f"{url}/api/v1/accounts", json={"name": "sdk tests"}, timeout=10.0)
        assert opened.status_code == 201, opened.text
        yield LiveServer(url, opened.json()["key"], SPEED)
    finally:
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(data, ignore_errors=True)


class Program:
    """A program that runs beside the tests; what it says goes to a file."""

    def __init__(self, command: Sequence[str], log: Path, folder: Path, **environment: str) -> None:
        self.log = log
        variables = {**os.environ, "PYTHONPATH": str(PACKAGE / "src"), **environment}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, cwd=folder, env=variables
            )

    def said(self) -> str:
        """What it said so far."""
        return self.log.read_text(errors="replace")

    def stop(self, limit_s: float) -> str:
        """Tells it to stop; see `end`."""
        self.process.send_signal(signal.SIGTERM)
        return self.end(limit_s)

    def end(self, limit_s: float) -> str:
        """What it said, once it has ended by itself, and well."""
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"it did not end within {limit_s} s:\n{tail(self.log)}")
        assert code == 0, tail(self.log)
        return self.said()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@dataclass(frozen=True)
class Beside:
    """What runs while the other tests do, because a round takes its time."""

    bot: Program
    bot_folder: Path
    notebook: Program


def bot_command(live: LiveServer, folder: Path, *more: str) -> List[str]:
    options = ["--server", live.url, "--folder", str(folder), *more]
    return [sys.executable, "-m", "foretoken.bot", *options]


@pytest.fixture(scope="session")
def beside(live: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    """The bot, and the notebook's cells from the first to the last."""
    folder = tmp_path_factory.mktemp("beside")
    cells = json.loads((PACKAGE / "examples" / "first_submission.ipynb").read_text("utf-8"))["cells"]
    assert not any(cell.get("outputs") for cell in cells), "a notebook is kept without its outputs"
    code = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    command = bot_command(live, folder / "bot", "--account", "bot of the tests")
    running = Beside(
        Program(command, folder / "bot.log", folder),
        folder / "bot",
        Program([sys.executable, "-c", code], folder / "cells.log", folder, FORETOKEN_SERVER=live.url),
    )
    try:
        yield running
    finally:
        running.bot.close()
        running.notebook.close()
