"""The client for asyncio: the methods of `Client`, to be awaited."""

from __future__ import annotations

import asyncio
import time as wall
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Optional,
    Type,
    TypeVar,
)

import httpx

from . import api, datasets, events, flows
from .binding import named
from .client import USER_AGENT
from .clock import ServerClock
from .drivers import AsyncDriver
from .retries import Call, Retry, Session, ask
from .steps import Flow
from .types import Event

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")


def _call(
    describe: Callable[P, Call[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """A method that makes one request."""

    async def method(self: AsyncClient, /, *args: P.args, **more: P.kwargs) -> T:
        return await self._driver.run(ask(self._session, describe(*args, **more)))

    return named(method, describe, 0)


def _flow(
    write: Callable[Concatenate[Session, P], Flow[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """A method that makes several requests."""

    async def method(self: AsyncClient, /, *args: P.args, **more: P.kwargs) -> T:
        return await self._driver.run(write(self._session, *args, **more))

    return named(method, write, 1)


def _stream(
    write: Callable[Concatenate[Session, P], Flow[None]],
) -> Callable[Concatenate[AsyncClient, P], AsyncIterator[Event]]:
    """A method that is iterated."""

    def method(self: AsyncClient, /, *args: P.args, **more: P.kwargs) -> AsyncIterator[Event]:
        return self._driver.each(write(self._session, *args, **more))

    return named(method, write, 1)


class AsyncClient:
    """A connection to one server for asyncio; use it in an `async with` block or call `close`.

    Everything is as with `Client`, which see; `events` is for `async for`.
    """

    def __init__(
        self,
        server: str,
        key: Optional[str] = None,
        *,
        timeout_s: float = 10.0,
        retry: Retry = Retry(),
        http_transport: Optional[httpx.AsyncBaseTransport] = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = wall.monotonic,
    ) -> None:
        http = httpx.AsyncClient(
            base_url=server.rstrip("/"),
            headers={"accept": "application/json", "user-agent": USER_AGENT},
            timeout=timeout_s,
            transport=http_transport,
        )
        self._driver = AsyncDriver(http, sleep)
        self._session = Session(retry, ServerClock(monotonic), monotonic)
        self.use_key(key)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._driver.http.aclose()

    def use_key(self, key: Optional[str]) -> None:
        """Acts with this key from now on, or with none."""
        self._driver.http.headers.pop("authorization", None)
        if key:
            self._driver.http.headers["authorization"] = f"Bearer {key}"

    @property
    def clock(self) -> ServerClock:
        """The market clock as last read; `sync_clock`, `now_us` and `wall_until` read it."""
        return self._session.clock

    time = _flow(flows.time)
    sync_clock = _flow(flows.sync_clock)
    now_us = _flow(flows.now_us)
    wall_until = _flow(flows.wall_until)

    tournaments = _call(api.market.tournaments)
    tournament = _call(api.market.tournament)
    next_rounds = _call(api.market.next_rounds)
    open_rounds = _call(api.market.open_rounds)
    rounds = _call(api.market.rounds)
    round = _call(api.market.round)
    features = _call(api.market.features)
    outcomes = _call(api.market.outcomes)
    candles = _call(api.market.candles)
    aggregates = _call(api.market.aggregates)
    aggregate = _call(api.market.aggregate)
    leaderboard = _call(api.market.leaderboard)

    submit = _flow(flows.submit)
    submit_many = _flow(flows.submit_many)
    seal_prediction = _flow(flows.seal_prediction)
    submit_seal = _flow(flows.submit_seal)
    reveal = _flow(flows.reveal)
    prediction = _call(api.predictions.prediction)
    predictions = _call(api.predictions.predictions)
    life = _call(api.predictions.life)

    my_models = _call(api.models.my_models)
    model = _call(api.models.model)
    ensure_model = _flow(flows.ensure_model)
    create_model = _call(api.models.create_model)
    upload_model = _call(api.models.upload_model)
    check_model = _call(api.models.check_model)
    retire_model = _call(api.models.retire_model)
    stake = _call(api.models.stake)
    history = _call(api.models.history)
    summary = _call(api.models.summary)
    diagnostics = _call(api.models.diagnostics)
    receipts = _call(api.models.receipts)
    run = _call(api.models.run)

    download_dataset = _flow(datasets.download_dataset)
    datasets = _call(api.market.datasets)

    events = _stream(events.follow)
    recent_events = _call(api.market.recent_events)
    create_webhook = _call(api.webhooks.create_webhook)
    webhooks = _call(api.webhooks.webhooks)
    webhook = _call(api.webhooks.webhook)
    delete_webhook = _call(api.webhooks.delete_webhook)
    deliveries = _call(api.webhooks.deliveries)
    test_webhook = _call(api.webhooks.test_webhook)
    enable_webhook = _call(api.webhooks.enable_webhook)
    rotate_webhook = _call(api.webhooks.rotate_webhook)

    signing_domain = _call(api.accounts.signing_domain)
    open_account = _call(api.accounts.open_account)
    open_account_with_wallet = _call(api.accounts.open_account_with_wallet)
    link_wallet = _call(api.accounts.link_wallet)
    account = _call(api.accounts.account)
    keys = _call(api.accounts.keys)
    create_key = _call(api.accounts.create_key)
    create_signed_key = _call(api.accounts.create_signed_key)
    rotate_key = _call(api.accounts.rotate_key)
    revoke_key = _call(api.accounts.revoke_key)
    session_keys = _call(api.accounts.session_keys)
    delegate_session = _call(api.accounts.delegate_session)
    revoke_session = _call(api.accounts.revoke_session)
