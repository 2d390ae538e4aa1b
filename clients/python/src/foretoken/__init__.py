"""Client of the Foretoken prediction tournaments.

Ask for the open rounds, post a probability, keep the receipt::

    from foretoken import Client

    with Client("http://127.0.0.1:8080", key="ftk_...") as client:
        model = client.ensure_model("btc-usd-5m", "my first bot")
        for round in client.open_rounds("btc-usd-5m"):
            print(client.submit(round, model.id, 0.53, stake="10.5"))
"""

from .client import Client
from .clock import ServerClock
from .datasets import Dataset
from .errors import ForetokenError, LateError, ProblemError, UnexpectedAnswer, Unreachable
from .receipts import verify_receipt
from .transport import Retry
from .types import Model, Outcome, Receipt, Round, Tournament

__all__ = [
    "Client",
    "Dataset",
    "ForetokenError",
    "LateError",
    "Model",
    "Outcome",
    "ProblemError",
    "Receipt",
    "Retry",
    "Round",
    "ServerClock",
    "Tournament",
    "UnexpectedAnswer",
    "Unreachable",
    "verify_receipt",
]
__version__ = "0.1.0"
