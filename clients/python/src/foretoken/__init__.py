"""Client of the Foretoken prediction tournaments.

Ask for the open rounds, post a probability, keep the receipt::

    from foretoken import Client

    with Client("http://127.0.0.1:8080", key="ftk_...") as client:
        model = client.ensure_model("btc-usd-5m", "my first bot")
        for round in client.open_rounds("btc-usd-5m"):
            print(client.submit(round, model.id, 0.53, stake="10.5"))

`AsyncClient` does the same for asyncio, and `python -m foretoken.bot` is a complete bot.
"""

from .aio import AsyncClient
from .api.predictions import Prediction
from .api.webhooks import is_genuine
from .checks import check
from .client import Client
from .clock import ServerClock
from .datasets import Dataset
from .errors import (
    ForetokenError,
    LateError,
    OutcomeUnknown,
    ProblemError,
    RateLimited,
    UnexpectedAnswer,
    Unreachable,
)
from .frames import Table
from .receipts import verify_receipt
from .retries import Retry
from .seals import Sealed
from .types import (
    Card,
    Event,
    Features,
    Model,
    NewKey,
    Notice,
    Outcome,
    Receipt,
    Round,
    Time,
    Tournament,
    Verdict,
)

__all__ = [
    "AsyncClient",
    "Card",
    "Client",
    "Dataset",
    "Event",
    "Features",
    "ForetokenError",
    "LateError",
    "Model",
    "NewKey",
    "Notice",
    "Outcome",
    "OutcomeUnknown",
    "Prediction",
    "ProblemError",
    "RateLimited",
    "Receipt",
    "Retry",
    "Round",
    "Sealed",
    "ServerClock",
    "Table",
    "Time",
    "Tournament",
    "UnexpectedAnswer",
    "Unreachable",
    "Verdict",
    "check",
    "is_genuine",
    "verify_receipt",
]
__version__ = "0.2.0"
