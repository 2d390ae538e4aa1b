"""Makes methods of the clients out of descriptions and flows, with their names, types and words."""

from __future__ import annotations

import inspect
from typing import Any, Callable, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def named(method: F, described: Callable[..., Any], skipped: int) -> F:
    """Gives a method the name, the words and the signature of what it was made from.

    `skipped` parameters at the front are the client's business.
    """
    parameters = list(inspect.signature(described).parameters.values())[skipped:]
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__name__ = described.__name__
    method.__qualname__ = described.__name__
    method.__doc__ = described.__doc__
    method.__signature__ = inspect.Signature([own, *parameters])  # type: ignore[attr-defined]
    return method
