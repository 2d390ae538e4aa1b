"""Tables and frames, seals, deliveries of webhooks, and the check of a model file."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import httpx
import pandas  # type: ignore[import-untyped]
import polars
import pytest

from foretoken import ForetokenError, Sealed, Table, check, is_genuine, seals

ROWS = [
    {"round": "r2", "at": "x", "closes_us": 1_709_640_000_000_000, "closes_at": "2024-03-05T12:00:00Z",
     "close": "65000.12", "p": 0.5, "counted": {"p_ppm": 1, "at_risk": "1.5"}},
    {"round": "r1", "at": "y", "closes_us": 1_709_639_700_000_000, "closes_at": "2024-03-05T11:55:00Z",
     "close": "64999", "p": 1, "counted": None},
]  # fmt: skip


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_table_becomes_a_frame(kind: str) -> None:
    table = Table(ROWS, "17")
    frame: Any = getattr(table, f"to_{kind}")()
    assert isinstance(frame, pandas.DataFrame if kind == "pandas" else polars.DataFrame)
    assert frame.shape[0] == 2
    assert list(frame["close"]) == [65000.12, 64999.0]
    assert list(frame["round"]) == ["r2", "r1"]
    assert list(frame["p"]) == [0.5, 1.0]
    assert [moment.minute for moment in frame["closes_at"]] == [0, 55]
    assert frame["counted.at_risk"][0] == 1.5
    assert table[0]["close"] == "65000.12" and table.next_before == "17"
    assert len(getattr(Table([]), f"to_{kind}")()) == 0


def test_a_seal_is_the_contracts() -> None:
    """The vector of docs/API.md, which the server's own tests have too."""
    packed = seals.seal(b"\1" * 32, 7, seals.units("10.5"), seals.ppm(0.53), b"\x5a" * 32)
    assert packed.hex() == "26f01648baafce49d601c800b94aefb53203627bf8d75a7fc3716b6645cd3f2e"
    name = seals.chain_round_id(31337, "0x2f5eacf7aae4a12a47accbfdcbf887aea04e8112", "btc-usd-5m", 1_709_254_500_000_000)
    assert name.hex() == "82b6cac8cac301c7c0d18591baff41406a8d40cb3e5e0499c11e4e6734fc2f28"
    hidden = seals.sealed("r", "m", 0.53, "10.5", name, 7, 5)
    salt = bytes.fromhex(hidden.salt[2:])
    packed = b"\x04" + name + (7).to_bytes(4, "big") + (10_500_000_000).to_bytes(8, "big")
    expected = seals.keccak256(packed + (530_000).to_bytes(4, "big") + salt)
    assert hidden.seal == "0x" + expected.hex()
    assert hidden.opening() == {"p": 0.53, "salt": hidden.salt, "stake": "10.5"}
    assert Sealed.from_json(hidden.to_json()) == hidden
    absent = seals.sealed("r", "m", 0.5, None, name, None, 5)
    packed = b"\x04" + name + b"\xff" * 12 + (500_000).to_bytes(4, "big")
    assert absent.seal == "0x" + seals.keccak256(packed + bytes.fromhex(absent.salt[2:])).hex()
    assert "stake" not in absent.opening()
    assert [seals.ppm(p) for p in (0.0000005, 0.0000015, 0.5300005, 1.0)] == [0, 2, 530_000, 1_000_000]


@pytest.mark.parametrize("stake", ["0.0000000001", "-1", "99999999999"])
def test_no_seal_hides_what_is_no_amount(stake: str) -> None:
    with pytest.raises(ValueError, match="decimals"):
        seals.units(stake)


def test_a_delivery_is_known_by_its_signature() -> None:
    secret = b"0123456789abcdef01234567"
    body = b'{"type":"round.open"}'
    signed = hmac.new(secret, b"msg_1.1000." + body, hashlib.sha256).digest()
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": "1000",
        "Webhook-Signature": "v1,AAAA v1," + base64.b64encode(signed).decode(),
    }
    text = "whsec_" + base64.b64encode(secret).decode()
    assert is_genuine(text, headers, body, 1_100.0)
    assert not is_genuine(text, headers, body + b" ", 1_100.0)
    assert not is_genuine(text, headers, body, 2_000.0)
    assert not is_genuine(text, {**headers, "Webhook-Id": "msg_2"}, body, 1_100.0)
    assert not is_genuine("whsec_" + base64.b64encode(b"x" * 24).decode(), headers, body, 1_100.0)
    assert not is_genuine(text, {}, body, 1_100.0)


def command(folder: Path, code: int, said: str) -> None:
    script = folder / "foretoken"
    script.write_text(f"#!/bin/sh\necho '{said}'\necho why >&2\nexit {code}\n")
    script.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("FORETOKEN_SERVER", raising=False)
    return tmp_path


def test_the_command_on_the_path_checks(path: Path) -> None:
    for code, accepted in ((0, True), (2, False)):
        command(path, code, json.dumps({"accepted": accepted, "status": "x"}))
        card = check(path / "model.onnx")
        assert (card.accepted, card.by, card.report["status"]) == (accepted, "binary", "x")
    command(path, 1, "")
    with pytest.raises(ForetokenError, match="why"):
        check(path / "model.onnx")


def test_without_a_command_a_server_is_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ForetokenError, match="name a server"):
        check(path / "model.onnx")

    def answer(self: object, request: httpx.Request) -> httpx.Response:
        assert (request.url.path, request.read()) == ("/api/v1/check", b"onnx")
        return httpx.Response(200, json={"accepted": True})

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    assert check(path / "model.onnx", "http://server").by == "server"
