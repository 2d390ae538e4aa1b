"""A wallet for the tests: signs typed data as the standard says (EIP-712), with the curve of `receipts`.

Not for keys that matter: it takes no care of timing.
"""

from __future__ import annotations

from typing import Any, Mapping

from foretoken import receipts

_HALF = receipts._N // 2


class Wallet:
    """The wallet of a secret number."""

    def __init__(self, secret: int) -> None:
        self._secret = secret
        point = receipts._times(receipts._G, secret)
        assert point is not None
        packed = b"".join(number.to_bytes(32, "big") for number in point)
        self.address = "0x" + receipts.keccak256(packed)[12:].hex()

    def sign(self, typed_data: Mapping[str, Any]) -> str:
        """65 bytes: r, s in the lower half, v."""
        hashed = signing_hash(typed_data)
        number = int.from_bytes(hashed, "big")
        secret = self._secret.to_bytes(32, "big")
        k = int.from_bytes(receipts.keccak256(secret + hashed), "big") % receipts._N
        point = receipts._times(receipts._G, k)
        assert point is not None
        r = point[0] % receipts._N
        s = (number + r * self._secret) * pow(k, -1, receipts._N) % receipts._N
        odd = point[1] & 1
        if s > _HALF:
            s, odd = receipts._N - s, 1 - odd
        return "0x" + (r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + odd])).hex()


def signing_hash(typed_data: Mapping[str, Any]) -> bytes:
    """What is signed."""
    domain = _struct(typed_data, "EIP712Domain", typed_data["domain"])
    message = _struct(typed_data, typed_data["primaryType"], typed_data["message"])
    return receipts.keccak256(b"\x19\x01" + domain + message)


def _struct(typed_data: Mapping[str, Any], kind: str, value: Mapping[str, Any]) -> bytes:
    fields = typed_data["types"][kind]
    signature = f"{kind}({','.join(f['type'] + ' ' + f['name'] for f in fields)})"
    words = [_word(field["type"], value[field["name"]]) for field in fields]
    return receipts.keccak256(receipts.keccak256(signature.encode()) + b"".join(words))


def _word(kind: str, value: Any) -> bytes:
    if kind == "string":
        return receipts.keccak256(value.encode())
    if kind == "string[]":
        return receipts.keccak256(b"".join(_word("string", part) for part in value))
    if kind in ("address", "bytes32"):
        return bytes.fromhex(value[2:]).rjust(32, b"\0")
    return int(value).to_bytes(32, "big")
