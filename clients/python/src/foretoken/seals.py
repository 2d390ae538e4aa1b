"""Sealed predictions: a commitment now, what it hides before the round locks.

The contract's formula: keccak256(0x04 ‖ roundId ‖ index u32 ‖ w u64 ‖ p u32 ‖ salt).
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Dict, Optional

from .api.describe import Amount, amount
from .api.predictions import probability
from .receipts import keccak256

#: Stands for the index of a model that is not registered in the vault.
NO_INDEX = 0xFFFFFFFF
#: Stands for the stake when none is named.
NO_STAKE = 0xFFFFFFFFFFFFFFFF
UNITS = 9


@dataclass(frozen=True)
class Sealed:
    """What a seal hides. Keep it until it is revealed: nobody else can open the seal.

    `reveal_until_us` is the market moment until which the server takes the reveal. `to_json` and
    `from_json` carry it over a restart; it is a secret until then.
    """

    round: str
    model: str
    p_ppm: int
    stake: Optional[str]
    salt: str
    seal: str
    reveal_until_us: int

    def opening(self) -> Dict[str, Any]:
        """The body that reveals it."""
        body: Dict[str, Any] = {"p": self.p_ppm / 1e6, "salt": self.salt}
        if self.stake is not None:
            body["stake"] = self.stake
        return body

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Sealed:
        return cls(**json.loads(text))


def sealed(
    round: str,
    model: str,
    p: float,
    stake: Optional[Amount],
    chain_round: bytes,
    index: Optional[int],
    reveal_until_us: int,
) -> Sealed:
    """Seals a prediction with a salt of 32 random bytes."""
    p_ppm = ppm(p)
    text = None if stake is None else amount(stake)
    salt = secrets.token_bytes(32)
    hidden = seal(chain_round, index, units(text), p_ppm, salt)
    return Sealed(round, model, p_ppm, text, "0x" + salt.hex(), "0x" + hidden.hex(), reveal_until_us)


def seal(chain_round: bytes, index: Optional[int], w: Optional[int], p_ppm: int, salt: bytes) -> bytes:
    """The commitment; `index` and `w` (units of 1e-9 token) may be absent."""
    place = NO_INDEX if index is None else index
    risked = NO_STAKE if w is None else w
    numbers = place.to_bytes(4, "big") + risked.to_bytes(8, "big") + p_ppm.to_bytes(4, "big")
    return keccak256(b"\x04" + chain_round + numbers + salt)


def chain_round_id(chain_id: int, registry: str, tournament: str, start_us: int) -> bytes:
    """The contracts' name of a round."""
    words = (chain_id, int(registry, 16), int.from_bytes(keccak256(tournament.encode()), "big"))
    packed = b"".join(word.to_bytes(32, "big") for word in (*words, start_us // 1_000_000))
    return keccak256(packed)


def ppm(p: float) -> int:
    """Parts per million, half to even: as the server reads a probability."""
    if not 0.0 <= probability(p) <= 1.0:
        raise ValueError(f"p is {p!r}, but must be a number from 0 to 1")
    return round(float(p) * 1e6)


def units(stake: Optional[str]) -> Optional[int]:
    """An amount of tokens in units of 1e-9."""
    if stake is None:
        return None
    exact = Decimal(stake).scaleb(UNITS)
    if exact != exact.to_integral_value() or not 0 <= exact < NO_STAKE:
        raise ValueError(f"stake is {stake!r}, but amounts have at most nine decimals")
    return int(exact)
