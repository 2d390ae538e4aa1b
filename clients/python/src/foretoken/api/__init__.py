"""The endpoints of the API, one function each: what is sent and how the answer is read.

Nothing is sent from here. `Client` and `AsyncClient` send what these functions describe, so that
there is one description of every endpoint.
"""

from . import accounts, market, models, predictions, webhooks

__all__ = ["accounts", "market", "models", "predictions", "webhooks"]
