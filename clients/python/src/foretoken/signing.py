"""What a wallet or a session key signs (EIP-712), and the bodies that carry the signature.

Nothing is signed here: hand `Unsigned.typed_data` to the wallet (`eth_account`'s
`sign_typed_data(key, full_message=...)`, a browser's `eth_signTypedData_v4`) and its signature to
`Unsigned.signed`::

    domain = client.signing_domain()
    asked = signing.open_account(domain, "ada", wallet, time.time())
    key = client.open_account_with_wallet(asked.signed(sign(asked.typed_data)))
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .api.describe import Amount, amount
from .seals import Sealed, chain_round_id, ppm, units
from .types import Json, Round

_Fields = Tuple[Tuple[str, str], ...]
_DOMAIN: _Fields = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
_ISSUED: _Fields = (("issuedAtUs", "uint64"), ("nonce", "bytes32"))
_TYPES: Mapping[str, _Fields] = {
    "OpenAccount": (("name", "string"), ("wallet", "address"), *_ISSUED),
    "LinkWallet": (("account", "string"), ("wallet", "address"), *_ISSUED),
    "CreateKey": (
        ("wallet", "address"),
        ("name", "string"),
        ("scopes", "string[]"),
        ("expiresAtS", "uint64"),
        ("addresses", "string[]"),
        *_ISSUED,
    ),
    "DelegateSession": (
        ("session", "address"),
        ("account", "string"),
        ("expiresAtS", "uint64"),
        *_ISSUED,
    ),
    "Prediction": (
        ("roundId", "bytes32"),
        ("model", "string"),
        ("postedPpm", "uint32"),
        ("stakeNamed", "bool"),
        ("stakeUnits", "uint64"),
        ("seal", "bytes32"),
        ("salt", "bytes32"),
        ("nonce", "uint64"),
    ),
}
_ZERO = "0x" + "00" * 32


@dataclass(frozen=True)
class Unsigned:
    """A request before it is signed: what to sign, and what to send with the signature."""

    typed_data: Json
    _body: Json

    def signed(self, signature: str) -> Dict[str, Any]:
        """The request with its signature: 65 bytes in hexadecimal."""
        return {**self._body, "signature": signature}


def open_account(domain: Json, name: str, wallet: str, now_s: float) -> Unsigned:
    """For `Client.open_account_with_wallet`. `now_s` is `time.time()`: it holds for five minutes."""
    return _issued(domain, "OpenAccount", {"name": name, "wallet": wallet}, {}, now_s)


def link_wallet(domain: Json, account: str, wallet: str, now_s: float) -> Unsigned:
    """For `Client.link_wallet`; `account` is the account's id."""
    made = _issued(domain, "LinkWallet", {"account": account, "wallet": wallet}, {}, now_s)
    return Unsigned(made.typed_data, {k: v for k, v in made._body.items() if k != "account"})


def create_key(
    domain: Json,
    wallet: str,
    name: str,
    scopes: Sequence[str],
    now_s: float,
    expires_s: int = 0,
    addresses: Sequence[str] = (),
) -> Unsigned:
    """For `Client.create_signed_key`; `expires_s` is seconds since 1970, 0 for never."""
    fields = {"wallet": wallet, "name": name, "scopes": list(scopes), "addresses": list(addresses)}
    return _issued(domain, "CreateKey", fields, {"expiresAtS": expires_s}, now_s)


def delegate_session(
    domain: Json, account: str, session: str, expires_s: int, now_s: float
) -> Unsigned:
    """For `Client.delegate_session`; `expires_s` is at most 90 days from now."""
    fields = {"account": account, "session": session}
    return _issued(domain, "DelegateSession", fields, {"expiresAtS": expires_s}, now_s)


def prediction(
    domain: Json,
    round: Round,
    model: str,
    p: float,
    signer: str,
    nonce: int,
    stake: Optional[Amount] = None,
) -> Unsigned:
    """For `Client.submit(..., signed=)` of the same p and stake. `nonce` must grow with every
    prediction of this model in this round; `signer` is the wallet or a session key."""
    named = None if stake is None else amount(stake)
    fields = {"postedPpm": ppm(p), "stakeNamed": named is not None, "stakeUnits": units(named) or 0}
    return _prediction(domain, round, model, {**fields, "seal": _ZERO, "salt": _ZERO}, signer, nonce)


def seal(domain: Json, round: Round, hidden: Sealed, signer: str, nonce: int) -> Unsigned:
    """For `Client.submit_seal(..., signed=)`."""
    fields = {"postedPpm": 0, "stakeNamed": False, "stakeUnits": 0, "seal": hidden.seal, "salt": _ZERO}
    return _prediction(domain, round, hidden.model, fields, signer, nonce)


def reveal(domain: Json, round: Round, hidden: Sealed, signer: str, nonce: int) -> Unsigned:
    """For `Client.reveal(..., signed=)`."""
    named = hidden.stake is not None
    fields = {"postedPpm": hidden.p_ppm, "stakeNamed": named, "stakeUnits": units(hidden.stake) or 0}
    values: Dict[str, Any] = {**fields, "seal": _ZERO, "salt": hidden.salt}
    return _prediction(domain, round, hidden.model, values, signer, nonce)


def _prediction(
    domain: Json, round: Round, model: str, fields: Json, signer: str, nonce: int
) -> Unsigned:
    registry = domain["verifying_contract"]
    name = chain_round_id(domain["chain_id"], registry, round.tournament, round.start_us)
    message = {"roundId": "0x" + name.hex(), "model": model, **fields, "nonce": nonce}
    return Unsigned(_typed(domain, "Prediction", message), {"signer": signer, "nonce": nonce})


def _issued(domain: Json, kind: str, fields: Json, ends: Mapping[str, int], now_s: float) -> Unsigned:
    nonce = "0x" + secrets.token_bytes(32).hex()
    issued_us = int(now_s * 1e6)
    message = {**fields, **ends, "issuedAtUs": issued_us, "nonce": nonce}
    body: Dict[str, Any] = {**fields, "issued_at_us": issued_us, "nonce": nonce}
    for seconds in ends.values():
        body["expires_at"] = _rfc3339(seconds) if seconds else None
    return Unsigned(_typed(domain, kind, message), body)


def _typed(domain: Json, kind: str, message: Json) -> Json:
    def listed(fields: _Fields) -> List[Dict[str, str]]:
        return [{"name": name, "type": of} for name, of in fields]

    return {
        "types": {"EIP712Domain": listed(_DOMAIN), kind: listed(_TYPES[kind])},
        "primaryType": kind,
        "domain": {
            "name": domain["name"],
            "version": domain["version"],
            "chainId": domain["chain_id"],
            "verifyingContract": domain["verifying_contract"],
        },
        "message": dict(message),
    }


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
