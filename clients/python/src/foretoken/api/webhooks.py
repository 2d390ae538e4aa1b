"""Webhooks: where the server sends events by itself, and whether what came is from it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Mapping, Sequence

from ..retries import Call
from ..types import Json
from .describe import act, get, nothing, segment, whole

#: Wall seconds by which a delivery may be off: later, or earlier, it may be a replay.
TOLERANCE_S = 300.0


def create_webhook(url: str, tournaments: Sequence[str] = (), types: Sequence[str] = ()) -> Call[Json]:
    """Has events sent to an https address; `secret` is in this answer alone."""
    body = {"url": url, "tournaments": list(tournaments), "types": list(types)}
    return act("POST", "/webhooks", whole, body)


def webhooks() -> Call[Json]:
    """The account's webhooks."""
    return get("/webhooks", whole)


def webhook(webhook_id: str) -> Call[Json]:
    """One webhook and how it stands."""
    return get(f"/webhooks/{segment(webhook_id)}", whole)


def delete_webhook(webhook_id: str) -> Call[None]:
    """Ends a webhook."""
    return act("DELETE", f"/webhooks/{segment(webhook_id)}", nothing)


def deliveries(webhook_id: str) -> Call[Json]:
    """What was sent, and what was answered."""
    return get(f"/webhooks/{segment(webhook_id)}/deliveries", whole)


def test_webhook(webhook_id: str) -> Call[Json]:
    """Sends a test event."""
    return act("POST", f"/webhooks/{segment(webhook_id)}/test", whole)


def enable_webhook(webhook_id: str) -> Call[Json]:
    """Begins anew with a webhook that was disabled because nobody answered."""
    return act("POST", f"/webhooks/{segment(webhook_id)}/enable", whole)


def rotate_webhook(webhook_id: str) -> Call[Json]:
    """A new secret, in this answer alone."""
    return act("POST", f"/webhooks/{segment(webhook_id)}/rotate", whole)


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> bool:
    """Whether a delivery was signed with this secret, lately. `now_s` is `time.time()`.

    `headers` are those of the delivery, `body` its bytes as they came (Standard Webhooks).
    """
    found = {name.lower(): value for name, value in headers.items()}
    sent = found.get("webhook-timestamp", "")
    if not sent.isdigit() or abs(now_s - int(sent)) > TOLERANCE_S:
        return False
    try:
        key = base64.b64decode(secret[len("whsec_") :], validate=True)
    except binascii.Error:
        return False
    content = f"{found.get('webhook-id', '')}.{sent}.".encode() + body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    # While a secret is exchanged, a delivery may carry several signatures.
    signatures = found.get("webhook-signature", "").split()
    return any(hmac.compare_digest("v1," + expected, signature) for signature in signatures)
