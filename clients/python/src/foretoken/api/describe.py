"""The words in which endpoints are described."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Callable, List, Mapping, Optional, Sequence, TypeVar, Union
from urllib.parse import quote

from ..errors import UnexpectedAnswer
from ..frames import Table
from ..retries import Call
from ..steps import Request
from ..types import Json, Round, field

T = TypeVar("T")

#: Exact amounts of tokens. A float is refused: 0.1 is not a tenth.
Amount = Union[str, int, Decimal]
#: A round, or its id.
RoundOrId = Union[Round, str]


def get(path: str, parse: Callable[[Any], T], **params: Any) -> Call[T]:
    """A GET; parameters that are `None` are not sent, lists are joined with commas."""
    return Call(Request("GET", path, params=sent(params)), parse)


def act(method: str, path: str, parse: Callable[[Any], T], body: Any = None) -> Call[T]:
    """A request that changes something, with a JSON body or none."""
    return Call(Request(method, path, json=body), parse)


def sent(params: Mapping[str, Any]) -> Mapping[str, str]:
    return {name: _parameter(value) for name, value in params.items() if value is not None}


def segment(text: Any) -> str:
    """A name as one segment of a path, which it cannot leave."""
    return quote(str(text), safe="")


def id_of(round: RoundOrId) -> str:
    return round.id if isinstance(round, Round) else round


def whole(body: Any) -> Json:
    """The object as the API answers it."""
    if not isinstance(body, Mapping):
        raise UnexpectedAnswer(f"the answer is no object: {str(body)[:200]}")
    return body


def nothing(body: Any) -> None:
    """For answers of which nothing is wanted."""


def rows(name: str, parse: Callable[[Json], T]) -> Callable[[Any], List[T]]:
    """The list `name` of the answer, each of its rows parsed."""
    return lambda body: [parse(row) for row in field(body, name, list)]


def table(name: str) -> Callable[[Any], Table]:
    """The list `name` of the answer as a table."""

    def parse(body: Any) -> Table:
        found = [whole(row) for row in field(body, name, list)]
        return Table(found, whole(body).get("next_before"))

    return parse


def amount(stake: Amount) -> str:
    """An amount as the API reads it."""
    if isinstance(stake, bool) or not isinstance(stake, (str, int, Decimal)):
        raise TypeError(f'stake is {stake!r}, but amounts are exact: pass "10.5" or a Decimal')
    return f"{stake:f}" if isinstance(stake, Decimal) else str(stake)


def _parameter(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(str(part) for part in value)
    return str(value)


def limited(limit: Optional[int], before: Union[str, int, None]) -> Mapping[str, Any]:
    """The two parameters of every list that goes back in time."""
    return {"limit": limit, "before": before}
