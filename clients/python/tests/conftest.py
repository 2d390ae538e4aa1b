"""A real server for the tests: the demo, on a free port, on recorded prices."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional

import httpx
import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
START_LIMIT_S = 120.0
STOP_LIMIT_S = 20.0
SPEED = 30
#: More than the tests can live to see: they end the demo themselves.
ROUNDS = 200


@dataclass(frozen=True)
class LiveServer:
    """Where it listens and a key that may read, predict and upload."""

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


def new_key(server: Path, data: Path, account: str, scopes: Optional[str] = None) -> str:
    command: List[str] = [str(server), "admin", "key", "create", "--account", account]
    command += ["--data", str(data)] + (["--scopes", scopes] if scopes else [])
    made = subprocess.run(command, capture_output=True, check=False, text=True)
    if made.returncode != 0:
        pytest.fail(f"no API key could be made: {made.stderr}")
    return made.stdout.split()[-1]


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
        yield LiveServer(url, new_key(server, data, "sdk-tests"), SPEED)
    finally:
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(data, ignore_errors=True)
