"""What wallets sign, against a real server, which recovers the signer with code of its own."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest

from conftest import LiveServer
from foretoken import Client, ProblemError, signing
from test_live import TOURNAMENT, roomy_round
from wallet import Wallet


def sign(wallet: Wallet, asked: signing.Unsigned) -> Any:
    return asked.signed(wallet.sign(asked.typed_data))


def test_a_wallet_needs_no_page_and_a_session_key_no_api_key(live: LiveServer) -> None:
    wallet, session = (Wallet(secrets.randbelow(2**250) + 1) for _ in range(2))
    with Client(live.url) as api:
        domain = api.signing_domain()
        asked = signing.open_account(domain, "signed account", wallet.address, time.time())
        opened = api.open_account_with_wallet(sign(wallet, asked))
        assert opened.account is not None
        asked = signing.create_key(domain, wallet.address, "predictor", ["read", "predict"], time.time())
        assert api.create_signed_key(sign(wallet, asked)).scopes == ("read", "predict")
        end_s = int(time.time()) + 3_600
        asked = signing.delegate_session(domain, opened.account, session.address, end_s, time.time())
        with pytest.raises(ProblemError) as caught:
            api.delegate_session(sign(session, asked))
        assert caught.value.code == "signature-invalid"
        api.delegate_session(sign(wallet, asked))

        api.use_key(opened.key)
        model = api.ensure_model(TOURNAMENT, "signed model")
        listed = api.session_keys()["session_keys"]
        assert [row["session"].lower() for row in listed] == [session.address]
        api.use_key(None)
        round = roomy_round(api)
        unsigned = signing.prediction(domain, round, model.id, 0.57, session.address, 1, "2.5")
        receipt = api.submit(round, model.id, 0.57, "2.5", signed=sign(session, unsigned))
        assert (receipt.posted_ppm, receipt.stake) == (570_000, "2.5")
        with pytest.raises(ProblemError) as caught:
            api.submit(round, model.id, 0.58, "2.5", signed=sign(session, unsigned))
        assert caught.value.code in ("signature-invalid", "nonce-used")

        api.use_key(opened.key)
        hidden = api.seal_prediction(round, model.id, 0.61)
        api.use_key(None)
        unsigned = signing.seal(domain, round, hidden, session.address, 2)
        assert api.submit_seal(hidden, sign(session, unsigned)).seal == hidden.seal
        unsigned = signing.reveal(domain, round, hidden, session.address, 3)
        assert api.reveal(hidden, sign(session, unsigned)).posted_ppm == 610_000


def test_a_wallet_is_linked_to_an_open_account(live: LiveServer) -> None:
    wallet = Wallet(secrets.randbelow(2**250) + 1)
    with Client(live.url) as api:
        opened = api.open_account("linked later")
        api.use_key(opened.key)
        assert opened.account is not None
        asked = signing.link_wallet(api.signing_domain(), opened.account, wallet.address, time.time())
        api.link_wallet(sign(wallet, asked))
        assert str(api.account()["wallet"]).lower() == wallet.address
