"""The client against answers made here: what goes out, what comes back, what is repeated."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Callable, Dict, List

import httpx
import pytest

from foretoken import (
    Client,
    LateError,
    ProblemError,
    Retry,
    UnexpectedAnswer,
    Unreachable,
)

AT_ONCE = Retry(attempts=4, first_s=0.0)
RECEIPT = {
    "round": "btc-usd-5m-20240305T1200Z",
    "model": "m1",
    "p_ppm": 650000,
    "posted_ppm": 700000,
    "clamped": True,
    "stake": "10.5",
    "sequence": 7,
    "received_at": "2024-03-05T11:55:00Z",
    "ms_to_deadline": 285000,
    "hash": "0x01",
    "signature": "0x02",
    "signer": "0x03",
}
ROUND = {
    "id": "btc-usd-5m-20240305T1200Z",
    "tournament": "btc-usd-5m",
    "state": "open",
    "outcome": None,
    "opens_us": 1,
    "deadline_us": 2,
    "start_us": 3,
    "end_us": 4,
    "locks_at": "2024-03-05T11:59:50Z",
}

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler, key: str = "ftk_1") -> Client:
    transport = httpx.MockTransport(handler)
    return Client("http://server/", key, retry=AT_ONCE, http_transport=transport)


def problem(status: int, code: str, **members: object) -> httpx.Response:
    body = {"status": status, "code": code, "title": "T", "detail": "D.", "remedy": "R.", **members}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


def test_a_prediction_is_put_with_its_key() -> None:
    seen: List[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=RECEIPT)

    with client(handler) as api:
        receipt = api.submit("btc-usd-5m-20240305T1200Z", "m1", 0.7, Decimal("10.50"))
    (request,) = seen
    assert request.method == "PUT"
    assert request.url.path == "/api/v1/rounds/btc-usd-5m-20240305T1200Z/predictions/m1"
    assert request.headers["authorization"] == "Bearer ftk_1"
    assert json.loads(request.content) == {"p": 0.7, "stake": "10.50"}
    assert (receipt.p_ppm, receipt.clamped, receipt.sequence) == (650000, True, 7)
    assert receipt.raw == RECEIPT


def test_without_a_stake_none_is_sent() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert json.loads(request.content) == {"p": 1.0}
        return httpx.Response(200, json={**RECEIPT, "stake": None})

    with client(handler) as api:
        assert api.submit("r", "m", 1).stake is None


def test_names_cannot_leave_their_place_in_the_path() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.raw_path == b"/api/v1/rounds/..%2Fx%3Fy/predictions/a%20b"
        return httpx.Response(200, json=RECEIPT)

    with client(handler) as api:
        api.submit("../x?y", "a b", 0.5)


@pytest.mark.parametrize("p", [float("nan"), float("inf"), "0.5", None])
def test_what_is_no_number_is_refused_here(p: object) -> None:
    with client(lambda request: pytest.fail("sent")) as api, pytest.raises(ValueError):
        api.submit("r", "m", p)  # type: ignore[arg-type]


@pytest.mark.parametrize("stake", [10.5, True])
def test_an_inexact_stake_is_refused_here(stake: object) -> None:
    with client(lambda request: pytest.fail("sent")) as api, pytest.raises(TypeError, match="exact"):
        api.submit("r", "m", 0.5, stake)  # type: ignore[arg-type]


def test_rounds_come_most_urgent_first_and_new_fields_are_ignored() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert dict(request.url.params) == {"state": "open", "limit": "500", "tournament": "t"}
        later = {**ROUND, "id": "later", "deadline_us": 9}
        return httpx.Response(200, json={"rounds": [later, ROUND], "next_before": None})

    with client(handler) as api:
        assert [round.deadline_us for round in api.open_rounds("t")] == [2, 9]


def test_diagnostics_come_as_the_api_answers_them() -> None:
    answer = {"model": "a b", "state": "none", "reason": "no dataset is published yet"}

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.raw_path == b"/api/v1/models/a%20b/diagnostics"
        return httpx.Response(200, json=answer)

    with client(handler) as api:
        assert api.diagnostics("a b") == answer


def test_a_refusal_is_raised_with_code_and_remedy_and_not_repeated() -> None:
    calls = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return problem(409, "late", missed_ms=1200)

    with client(handler) as api, pytest.raises(LateError) as caught:
        api.submit("r", "m", 0.5)
    assert (caught.value.code, caught.value.status, caught.value.remedy) == ("late", 409, "R.")
    assert caught.value.missed_ms == 1200
    assert "D. R." in str(caught.value)
    assert len(calls) == 1


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_passing_failures_are_repeated_where_that_is_safe(method: str) -> None:
    answers = iter(
        [
            problem(503, "stopping"),
            httpx.ReadTimeout("slow"),
            httpx.Response(502, text="<html>"),
            httpx.Response(200, json={"outcomes": []} if method == "GET" else RECEIPT),
        ]
    )

    def handler(request: httpx.Request) -> httpx.Response:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx.Response)
        return answer

    with client(handler) as api:
        if method == "GET":
            assert api.outcomes("t") == []
        else:
            assert api.submit("r", "m", 0.5).sequence == 7


def test_repetition_ends() -> None:
    calls = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        raise httpx.ReadTimeout("slow")

    with client(handler) as api, pytest.raises(Unreachable, match="PUT .*slow"):
        api.submit("r", "m", 0.5)
    assert len(calls) == AT_ONCE.attempts


def test_a_model_is_not_registered_twice_after_an_unknown_end() -> None:
    posts = []

    def handler(request: httpx.Request) -> httpx.Response:
        posts.append(request)
        raise httpx.ReadTimeout("slow")

    with client(handler) as api, pytest.raises(Unreachable):
        api.create_model("t", "n")
    assert len(posts) == 1


def test_an_own_model_is_found_before_one_is_made() -> None:
    own = [{"id": "m0", "tournament": "other", "name": "n"}]

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            assert request.url.params["mine"] == "true"
            return httpx.Response(200, json={"models": own})
        made = {"id": f"m{len(own)}", **json.loads(request.content)}
        own.append(made)
        return httpx.Response(201, json=made)

    with client(handler) as api:
        assert api.ensure_model("t", "n").id == "m1"
        assert api.ensure_model("t", "n").id == "m1"


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_registration_without_an_answer_is_looked_for_before_it_is_sent_again(is_stored: bool) -> None:
    own: List[Dict[str, str]] = []
    posts = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"models": own})
        posts.append(request)
        made = {"id": "m1", **json.loads(request.content)}
        if is_stored or len(posts) > 1:
            own.append(made)
        if len(posts) == 1:
            raise httpx.ReadTimeout("slow")
        return httpx.Response(201, json=made)

    with client(handler) as api:
        assert api.ensure_model("t", "n").id == "m1"
    assert len(posts) == (1 if is_stored else 2)
    assert len(own) == 1


def test_a_taken_name_of_somebody_else_is_a_problem() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"models": []})
        return problem(409, "model-name-taken")

    with client(handler) as api, pytest.raises(ProblemError) as caught:
        api.ensure_model("t", "n")
    assert caught.value.code == "model-name-taken"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="hello"),
        httpx.Response(200, json={"now_us": "1", "speed": 1}),
        httpx.Response(200, json=[]),
        httpx.Response(404, text="nothing here"),
    ],
)
def test_another_program_at_the_address_is_named(answer: httpx.Response) -> None:
    with client(lambda request: answer) as api, pytest.raises(UnexpectedAnswer):
        api.time()


def test_the_pause_is_jittered_bounded_and_heeds_the_server() -> None:
    retry = Retry(first_s=0.1, longest_s=2.0)
    assert retry.pause_s(0, 0.5, 0.0) == pytest.approx(0.05)
    assert retry.pause_s(3, 1.0, 0.0) == pytest.approx(0.8)
    assert retry.pause_s(20, 1.0, 0.0) == 2.0
    assert retry.pause_s(0, 0.0, 3.0) == 3.0
    assert retry.pause_s(0, 1.0, 3.0) == pytest.approx(3.1)
