"""Receipts of hosted runs, checked here: trees, typed data and the signer, from the answer of
`Client.run` alone. Nothing of the server's code is used, and nothing is fetched.

Running the model again is not done here: `foretoken verify --round R --model M --artifact FILE`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Tuple

MODELS, INPUT, OUTPUT, RECEIPTS = 1, 2, 3, 4


def verify_receipt(run: Mapping[str, Any], signers: Sequence[str]) -> list[str]:
    """What is wrong with a run as the server gives it; empty when nothing is.

    `signers` are the addresses that sign for the installation: `receipt_signers` of its
    `/record/deployment.json`.
    """
    receipt, runtime, given = run["receipt"], run["runtime"], run["input"]
    wrong: list[str] = []

    def same(what: str, claimed: str, computed: bytes) -> None:
        if claimed.lower() != "0x" + computed.hex():
            wrong.append(f"{what}: {claimed} claimed, 0x{computed.hex()} computed")

    key = keccak256(receipt["round"].rsplit("-", 1)[0].encode())
    registry = bytes.fromhex(run["registry"][2:])
    chain_round = keccak256(
        _word(run["chain_id"]) + registry.rjust(32, b"\0") + key + _word(run["starts_at"])
    )
    same("round", run["chain_round"], chain_round)
    digest = b"\0" * 32 if runtime is None else _runtime_digest(runtime)
    same("runtime digest", receipt["runtime_digest"], digest)
    block = bytes.fromhex(given["bytes"])
    same("input digest", "0x" + given["sha256"], hashlib.sha256(block).digest())
    same("input root", receipt["input_root"], input_root(given, block))
    same("output root", receipt["output_root"], output_root(bytes.fromhex(run["output"])))
    signed = _signing_hash(receipt, chain_round, run["chain_id"], registry)
    same("receipt hash", receipt["hash"], signed)
    signer = _signer(signed, bytes.fromhex(receipt["signature"][2:]))
    if signer.lower() not in [known.lower() for known in signers]:
        wrong.append(f"signature: of {signer}, which signs nothing here")
    model = keccak256(receipt["model"].encode())
    files = bytes.fromhex(receipt["model_digest"]) + _canonical(receipt)
    if not included(MODELS, run["models_root"], run["model_proof"], leaf(model + files)):
        wrong.append("model: not among the models of the round")
    proof = run.get("receipt_proof")
    committed = run.get("committed")
    if proof is not None and committed is not None:
        if not included(RECEIPTS, committed["receipts_root"], proof, leaf(model + signed)):
            wrong.append("receipt: not among the receipts that the round committed to")
        parts = (committed["seed"], run["models_root"], receipt["input_root"])
        salt = keccak256(
            b"\x05" + b"".join(bytes.fromhex(p[2:]) for p in (*parts, committed["receipts_root"]))
        )
        same("salt", committed["salt"], salt)
    return wrong


def leaf(content: bytes) -> bytes:
    """keccak256(0x00 ‖ content)."""
    return keccak256(b"\0" + content)


def tree_root(kind: int, leaves: Sequence[bytes]) -> bytes:
    """The root of a tree of runs: kind and leaf count are part of it."""
    level = list(leaves)
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [keccak256(b"\1" + b"".join(p)) if len(p) == 2 else p[0] for p in pairs]
    top = level[0] if level else b"\0" * 32
    return keccak256(bytes([2, kind]) + len(leaves).to_bytes(8, "big") + top)


def included(kind: int, root: str, proof: Mapping[str, Any], hashed: bytes) -> bool:
    """Whether a leaf is in the tree of this kind and root."""
    place, width = int(proof["index"]), int(proof["count"])
    siblings = [bytes.fromhex(sibling[2:]) for sibling in proof["siblings"]]
    if not 0 <= place < width:
        return False
    while width > 1:
        if place ^ 1 < width:
            if not siblings:
                return False
            other = siblings.pop(0)
            hashed = keccak256(b"\1" + (other + hashed if place & 1 else hashed + other))
        place, width = place // 2, (width + 1) // 2
    computed = keccak256(bytes([2, kind]) + int(proof["count"]).to_bytes(8, "big") + hashed)
    return not siblings and root.lower() == "0x" + computed.hex()


def input_root(given: Mapping[str, Any], block: bytes) -> bytes:
    """The root over a block of float32 features."""
    rows, columns = int(given["rows"]), int(given["columns"])
    names = keccak256("\n".join(given["names"]).encode())
    head = rows.to_bytes(8, "big") + columns.to_bytes(8, "big") + names
    leaves = [leaf(head + hashlib.sha256(block).digest())]
    width = 4 * columns
    for row, at in enumerate(range(0, len(block), width)):
        leaves.append(leaf(row.to_bytes(8, "big") + block[at : at + width]))
    return tree_root(INPUT, leaves)


def output_root(block: bytes) -> bytes:
    """The root over what a model answered: float32, little-endian, one a row."""
    rows = enumerate(block[at : at + 4] for at in range(0, len(block), 4))
    return tree_root(OUTPUT, [leaf(row.to_bytes(8, "big") + answer) for row, answer in rows])


def _canonical(receipt: Mapping[str, Any]) -> bytes:
    return bytes.fromhex(receipt["canonical_digest"] or "00" * 32)


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _text(text: str) -> bytes:
    return keccak256(text.encode())


_RUNTIME = (
    "Runtime(string profile,string ortVersion,bytes32 library,string provider,string options,"
    "string isa,string build,string sandbox)"
)
_RECEIPT = (
    "RunReceipt(bytes32 roundId,string model,bytes32 modelDigest,bytes32 canonicalDigest,"
    "bytes32 inputRoot,bytes32 outputRoot,bytes32 runtimeDigest,string status,uint64 cpuMs,"
    "uint64 finishedAtUs,string runner,uint64 sequence)"
)
_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


def _runtime_digest(runtime: Mapping[str, Any]) -> bytes:
    return keccak256(
        _text(_RUNTIME)
        + _text(runtime["profile"])
        + _text(runtime["ort_version"])
        + bytes.fromhex(runtime["library"])
        + b"".join(_text(runtime[n]) for n in ("provider", "options", "isa", "build", "sandbox"))
    )


def _signing_hash(
    receipt: Mapping[str, Any], chain_round: bytes, chain_id: int, registry: bytes
) -> bytes:
    domain = keccak256(
        _text(_DOMAIN)
        + _text("Foretoken")
        + _text("1")
        + _word(chain_id)
        + registry.rjust(32, b"\0")
    )
    content = keccak256(
        _text(_RECEIPT)
        + chain_round
        + _text(receipt["model"])
        + bytes.fromhex(receipt["model_digest"])
        + _canonical(receipt)
        + b"".join(
            bytes.fromhex(receipt[name][2:])
            for name in ("input_root", "output_root", "runtime_digest")
        )
        + _text(receipt["status"])
        + _word(receipt["cpu_ms"])
        + _word(receipt["finished_us"])
        + _text(receipt["runner"])
        + _word(receipt["sequence"])
    )
    return keccak256(b"\x19\x01" + domain + content)


_ROTATIONS = (
    (0, 36, 3, 41, 18),
    (1, 44, 10, 45, 2),
    (62, 6, 43, 15, 61),
    (28, 55, 25, 21, 56),
    (27, 20, 39, 8, 14),
)
_WORD = (1 << 64) - 1


def keccak256(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it (not SHA3-256)."""
    rate = 136
    padded = bytearray(data + b"\x01" + b"\0" * (-(len(data) + 1) % rate))
    padded[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), rate):
        for at in range(rate // 8):
            word = padded[start + 8 * at : start + 8 * at + 8]
            lanes[at % 5][at // 5] ^= int.from_bytes(word, "little")
        _permute(lanes)
    return b"".join(lanes[at % 5][at // 5].to_bytes(8, "little") for at in range(4))


def _rotated(word: int, by: int) -> int:
    return ((word << by) | (word >> (64 - by))) & _WORD


def _permute(lanes: list[list[int]]) -> None:
    register = 1
    for _ in range(24):
        parity = [a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] for a in lanes]
        mixed = [parity[x - 1] ^ _rotated(parity[(x + 1) % 5], 1) for x in range(5)]
        moved = [[0] * 5 for _ in range(5)]
        for x in range(5):
            for y in range(5):
                word = lanes[x][y] ^ mixed[x]
                moved[y][(2 * x + 3 * y) % 5] = _rotated(word, _ROTATIONS[x][y])
        for x in range(5):
            for y in range(5):
                lanes[x][y] = moved[x][y] ^ (~moved[(x + 1) % 5][y] & moved[(x + 2) % 5][y])
        for bit in range(7):
            register = ((register << 1) ^ ((register >> 7) * 0x71)) % 256
            if register & 2:
                lanes[0][0] ^= 1 << ((1 << bit) - 1)


_P = 2**256 - 2**32 - 977
_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
_Point = Optional[Tuple[int, int]]


def _added(a: _Point, b: _Point) -> _Point:
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % _P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, _P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, _P)
    x = (slope * slope - a[0] - b[0]) % _P
    return x, (slope * (a[0] - x) - a[1]) % _P


def _times(point: _Point, factor: int) -> _Point:
    total: _Point = None
    while factor:
        if factor & 1:
            total = _added(total, point)
        point = _added(point, point)
        factor >>= 1
    return total


def _signer(hashed: bytes, signature: bytes) -> str:
    """The address whose key signed; `nobody` when it is no signature."""
    if len(signature) != 65:
        return "nobody"
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    odd = (signature[64] - 27 if signature[64] >= 27 else signature[64]) & 1
    if not (0 < r < _N and 0 < s < _N):
        return "nobody"
    y = pow(r**3 + 7, (_P + 1) // 4, _P)
    if (y * y - r**3 - 7) % _P:
        return "nobody"
    point = (r, y if y & 1 == odd else _P - y)
    inverse = pow(r, -1, _N)
    message = int.from_bytes(hashed, "big")
    key = _added(_times(point, s * inverse % _N), _times(_G, -message * inverse % _N))
    if key is None:
        return "nobody"
    return "0x" + keccak256(key[0].to_bytes(32, "big") + key[1].to_bytes(32, "big"))[12:].hex()
