"""Receipts of hosted runs: the trees and hashes that the server's own code computes too."""

from __future__ import annotations

import copy
import json
import struct
from pathlib import Path
from typing import Any, Dict, List

import pytest

from foretoken import receipts, verify_receipt

ROOT = Path(__file__).resolve().parents[3]
#: `contracts/bindings/tests/runs.rs` compares with the same file.
VECTORS: Dict[str, Any] = json.loads(
    (ROOT / "contracts/bindings/tests/run_vectors.json").read_text("utf-8")
)
#: One run as a server answered it, and the address of its receipt key.
RUN: Dict[str, Any] = json.loads((Path(__file__).parent / "run.json").read_text("utf-8"))
SIGNERS = [RUN["receipt"]["signer"]]


def digits(hashed: bytes) -> str:
    return "0x" + hashed.hex()


def test_every_root_is_that_of_the_servers_code() -> None:
    for case in VECTORS["models"]:
        leaves: List[bytes] = [
            receipts.leaf(
                receipts.keccak256(row["model"].encode())
                + bytes.fromhex(row["artifact"])
                + bytes.fromhex(row["canonical"])
            )
            for row in case["models"]
        ]
        assert digits(receipts.tree_root(receipts.MODELS, leaves)) == case["root"]
    for case in VECTORS["inputs"]:
        block = bytes.fromhex(case["bytes"])
        assert digits(receipts.input_root(case, block)) == case["root"]
    for case in VECTORS["outputs"]:
        answers = case["output"]
        block = struct.pack(f"<{len(answers)}f", *answers)
        assert digits(receipts.output_root(block)) == case["root"]


def test_keccak_is_ethereums() -> None:
    empty = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert receipts.keccak256(b"").hex() == empty
    # The selector of transfer(address,uint256).
    assert receipts.keccak256(b"transfer(address,uint256)").hex()[:8] == "a9059cbb"


def test_a_genuine_run_is_whole() -> None:
    assert verify_receipt(RUN, SIGNERS) == []
    wrong = verify_receipt(RUN, ["0x" + "00" * 20])
    assert len(wrong) == 1 and wrong[0].startswith("signature")


@pytest.mark.parametrize(
    ("place", "value", "what"),
    [
        ("output", "0000003f", "output root"),
        ("receipt/cpu_ms", 12345, "receipt hash"),
        ("receipt/runner", "another", "signature"),
        ("receipt/model_digest", "ab" * 32, "model"),
        ("runtime/sandbox", "none", "runtime digest"),
        ("input/names", [], "input root"),
        ("committed/seed", "0x" + "11" * 32, "salt"),
        ("receipt_proof/siblings", [], "receipt: not among"),
    ],
)
def test_what_was_changed_is_named(place: str, value: Any, what: str) -> None:
    changed = copy.deepcopy(RUN)
    at = changed
    *path, last = place.split("/")
    for step in path:
        at = at[step]
    at[last] = value
    assert any(line.startswith(what) for line in verify_receipt(changed, SIGNERS))
