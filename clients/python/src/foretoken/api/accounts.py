"""Accounts, API keys and session keys.

Whatever a wallet signs is signed outside: `foretoken.signing` makes what is to be signed and, with
the signature, the bodies that these functions send. No private key comes near this package.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

from ..retries import Call
from ..types import Json, NewKey
from .describe import act, get, nothing, segment, whole


def open_account(name: str) -> Call[NewKey]:
    """Opens an account without a wallet; its only key is in the answer. Strictly limited."""
    return act("POST", "/accounts", NewKey.from_json, {"name": name})


def open_account_with_wallet(signed: Mapping[str, Any]) -> Call[NewKey]:
    """Opens the account of a wallet, or gives a new key of the one it has. `signed` is
    {name, wallet, issued_at_us, nonce, signature}."""
    return act("POST", "/accounts/wallet", NewKey.from_json, dict(signed))


def link_wallet(signed: Mapping[str, Any]) -> Call[Json]:
    """Links a wallet to the account. `signed` is {wallet, issued_at_us, nonce, signature}."""
    return act("POST", "/account/wallet", whole, dict(signed))


def signing_domain() -> Call[Json]:
    """The EIP-712 domain in which wallets sign and the server signs receipts."""
    return get("/signing-domain", whole)


def account() -> Call[Json]:
    """The account of the key, the key's rights and the limits."""
    return get("/account", whole)


def keys() -> Call[Json]:
    """The account's keys, without their secrets."""
    return get("/keys", whole)


def create_key(
    name: str,
    scopes: Sequence[str],
    expires_at: Optional[str] = None,
    addresses: Sequence[str] = (),
) -> Call[NewKey]:
    """Makes a key. `expires_at` is RFC 3339; `addresses` the only ones it is good from."""
    body = {"name": name, "scopes": list(scopes), "expires_at": expires_at, "addresses": list(addresses)}
    return act("POST", "/keys", NewKey.from_json, body)


def create_signed_key(signed: Mapping[str, Any]) -> Call[NewKey]:
    """Makes a key at the word of the account's wallet, without another key. `signed` is {wallet,
    name, scopes, expires_at, addresses, issued_at_us, nonce, signature}."""
    return act("POST", "/keys/signed", NewKey.from_json, dict(signed))


def rotate_key(key_id: str, old_expires_at: Optional[str] = None) -> Call[NewKey]:
    """A new key of the same rights; the old one is good for a while longer."""
    body = {} if old_expires_at is None else {"old_expires_at": old_expires_at}
    return act("POST", f"/keys/{segment(key_id)}/rotate", NewKey.from_json, body)


def revoke_key(key_id: str) -> Call[None]:
    """Revokes a key, from the next request on."""
    return act("DELETE", f"/keys/{segment(key_id)}", nothing)


def session_keys() -> Call[Json]:
    """The addresses that may sign predictions for the account."""
    return get("/session-keys", whole)


def delegate_session(signed: Mapping[str, Any]) -> Call[Json]:
    """Lets an address sign predictions, at the word of the account's wallet. `signed` is {account,
    session, expires_at, issued_at_us, nonce, signature}."""
    return act("POST", "/session-keys", whole, dict(signed))


def revoke_session(address: str) -> Call[None]:
    """Takes the word back."""
    return act("DELETE", f"/session-keys/{segment(address)}", nothing)
