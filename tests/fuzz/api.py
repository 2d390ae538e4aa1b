"""Fuzzes the API from its OpenAPI document (row R11) and prints the row as JSON.

Starts a demo, gives a key to schemathesis and counts what it found: answers of 5xx, statuses and
types that the document does not name, bodies that differ from their schemas. Streams and long polls
are left out: they have no answer to wait for.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Tuple

START_LIMIT_S = 90.0
STOP_LIMIT_S = 20.0
SEED = 20240305
#: Rounds of the demo, more than the fuzzing can live to see.
ROUNDS = 5_000
#: The cases that schemathesis makes of an operation one by one, about.
SYSTEMATIC = 30
#: What an answer must fulfil. What schemathesis thinks of accepted and refused input is not asked:
#: a round that is over is a refusal of what the schema allows.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,unsupported_method"
)
ENDLESS = ["/api/v1/events", "/api/v1/events/ws", "/api/v1/runner/jobs/next"]
#: These end the key that the run uses.
FATAL = ["/api/v1/keys/{id}", "/api/v1/keys/{id}/rotate"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until a round is settled, so that every endpoint has something to answer."""
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"the demo ended with {process.returncode}:\n{log.read_text()[-4_000:]}")
        try:
            with urllib.request.urlopen(f"{url}/api/v1/rounds?state=settled,void", timeout=5) as answer:
                rounds = json.load(answer)["rounds"]
                if rounds:
                    return
        except (urllib.error.URLError, OSError, ValueError):
            pass
        time.sleep(0.2)
    sys.exit(f"no round was settled within {START_LIMIT_S} s:\n{log.read_text()[-4_000:]}")


def new_key(server: Path, data: Path) -> str:
    command = [str(server), "admin", "key", "create", "--account", "fuzz", "--data", str(data)]
    command += ["--scopes", "read,predict,upload,run"]
    made = subprocess.run(command, capture_output=True, check=True, text=True)
    return made.stdout.split()[-1]


def plan(url: str, cases: int) -> Tuple[str, int]:
    """Phases and cases of an operation: few cases are all random, many begin with the systematic."""
    with urllib.request.urlopen(f"{url}/api/v1/openapi.json", timeout=10) as answer:
        paths = json.load(answer)["paths"]
    operations = sum(len(item) for path, item in paths.items() if path not in ENDLESS + FATAL)
    if cases < SYSTEMATIC * operations:
        return "examples,fuzzing", max(2, -(-cases // operations))
    return "examples,coverage,fuzzing", max(2, -(-cases // operations) - SYSTEMATIC // 2)


def schemathesis(url: str, key: str, cases: int, folder: Path) -> Dict[str, Any]:
    """The tool's own report."""
    report = folder / "report.json"
    phases, examples = plan(url, cases)
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/api/v1/openapi.json"]
    command += ["--header", f"Authorization: Bearer {key}", "--checks", CHECKS]
    command += ["--phases", phases, "--max-examples", str(examples)]
    command += ["--seed", str(SEED), "--workers", "2", "--continue-on-failure", "--no-color"]
    command += ["--generation-database", "none", "--request-timeout", "20", "--warnings", "off"]
    command += ["--report", "json,ndjson", "--report-json-path", str(report)]
    command += ["--report-ndjson-path", str(folder / "events.ndjson")]
    command += ["--suppress-health-check", "all", "--no-shrink"]
    for path in ENDLESS + FATAL:
        command += ["--exclude-path", path]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, text=True)
    (folder / "output.txt").write_text(done.stdout + done.stderr)
    if not report.is_file():
        sys.exit(f"schemathesis did not run:\n{done.stdout[-4_000:]}\n{done.stderr[-4_000:]}")
    return json.loads(report.read_text())


def row(report: Dict[str, Any], folder: Path) -> Dict[str, Any]:
    """The row of the scorecard."""
    counted, operations = report["test_cases"], report["operations"] or {}
    events = (folder / "events.ndjson").read_text()
    statuses = Counter(re.findall(r'"status_code":\s*(\d)', events))
    errors = len(report["errors"]) + (operations.get("errored") or 0)
    whole = bool(report["complete"]) and not errors and counted["generated"] > 0
    output = (folder / "output.txt").read_text()
    held = whole and not report["failures"] and counted["with_failures"] == 0 and statuses["5"] == 0
    return {
        "row": "R11",
        "fault": "requests made from the OpenAPI document, right and wrong",
        "target": "no 5xx, answers as documented",
        "pass": held,
        "counts": {
            "cases": counted["generated"],
            "operations": operations.get("tested", 0),
            "answers_2xx": statuses["2"],
            "answers_4xx": statuses["4"],
            "answers_5xx": statuses["5"],
            "failures": len(report["failures"]),
        },
        "error": "" if held else output[-6_000:],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=Path, required=True, help="the program foretoken")
    parser.add_argument("--cases", type=int, default=5_000, help="about so many requests")
    parser.add_argument("--keep", type=Path, help="keep the reports in this folder")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="foretoken-fuzz-"))
    data, log, port = folder / "data", folder / "demo.log", free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--port", str(port), "--data", str(data), "--json", str(folder / "out.json")]
    options += ["--rounds", str(ROUNDS), "--headless"]
    with log.open("wb") as output:
        demo = subprocess.Popen([str(wanted.server), "demo", *options], stdout=output, stderr=output)
    try:
        wait_until_it_answers(url, demo, log)
        report = schemathesis(url, new_key(wanted.server, data), wanted.cases, folder)
        print(json.dumps(row(report, folder)))
    finally:
        demo.terminate()
        try:
            demo.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            demo.kill()
            demo.wait()
        shutil.rmtree(data, ignore_errors=True)
        if wanted.keep:
            shutil.copytree(folder, wanted.keep, dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
